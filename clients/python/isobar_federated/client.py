"""One client of one run."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Mapping, NamedTuple, Optional, TypeVar, Union

from .encodings import ENCODINGS
from .errors import ClientError, RequestError, Stopped
from .events import Decided, Dropped, Ended, Event, Joined, Moved, OnEvent, TaskBegun, Waiting
from .messages import Part, Report, Task, invalid, read_plan, read_task, read_version
from .model import Model
from .push import push, update_of
from .signing import public_key_of
from .store import Store, read_json, write_json
from .transport import Backoff, Call, Transport, run_url
from .update import UpdateStore
from .versions import Version, Versions

D = TypeVar("D")

_CLIENT = "client"
_PENDING = "pending"
_WAIT_SECONDS = 30


class Evaluation(NamedTuple):
    loss: float
    metrics: Mapping[str, float] = {}


@dataclass(frozen=True)
class TrainingTask(Task):
    """A task, and how training may tell how far it is: `progress(done, total)`."""

    progress: Callable[[float, float], None] = field(default=lambda done, total: None)


class FederatedClient:
    """`FederatedClient.join(...)` makes one; `work(...)` is all that it does."""

    def __init__(
        self,
        id: str,
        transport: Transport,
        store: Store,
        encoding: Optional[str],
        dtype: str,
        delta: Optional[str],
        on_event: OnEvent,
    ) -> None:
        self.id = id
        self._transport = transport
        self._store = store
        self._encoding = encoding
        self._on_event = on_event
        self._updates = UpdateStore(store)
        self._versions = Versions(transport, store, dtype, delta, on_event)
        self._plans: dict[str, tuple[Part, ...]] = {}

    @classmethod
    def join(
        cls,
        url: str,
        run: str,
        store: Store,
        invitation: Optional[str] = None,
        name: str = "",
        encoding: Optional[str] = None,
        dtype: str = "f32",
        delta: Optional[str] = None,
        backoff: Backoff = Backoff(),
        on_event: Optional[OnEvent] = None,
        ssl_context: Optional[ssl.SSLContext] = None,
    ) -> FederatedClient:
        """The client of this store, which joins the run if it has not yet: only then an invitation is needed. `url` is Isobar's, without
        `/v1`. `encoding` of updates: by default the first of f32, f16, bf16, int8 that the run takes. `dtype` and `delta`: see
        `Versions`."""
        tell: OnEvent = on_event or _ignore
        key = store.key()
        transport = Transport(run_url(url, run), key, backoff, tell, ssl_context)
        known = read_json(store, _CLIENT)
        if known is not None and known["run"] != run:
            raise ClientError("store_taken", f"the store belongs to a client of the run {known['run']}")
        if known is None:
            if invitation is None:
                raise ClientError("invitation_missing", "a client joins with an invitation")
            id = _join(transport, public_key_of(key), invitation, name)
            write_json(store, _CLIENT, {"run": run, "id": id})
            tell(Joined(id))
        else:
            id = known["id"]
        transport.keyid = id
        return cls(id, transport, store, encoding, dtype, delta, tell)

    def work(
        self,
        load: Callable[[], D],
        train: Callable[[Model, D, TrainingTask], Union[Report, Mapping[str, Any]]],
        evaluate: Optional[Callable[[Model, D], Union[Evaluation, tuple[float, Mapping[str, float]]]]] = None,
        tasks: Optional[int] = None,
    ) -> str:
        """Trains whenever the run has a task, until it ends (`run_closed`), `stop` is called (`stopped`), or so many updates were committed
        (`done`). `train` changes the model in place and says from how many examples; `evaluate` gives the loss of the version
        before training, and metrics. Raises what they raise, and refusals that trying again would not mend."""
        if not self._store.lock():
            raise ClientError("store_busy", "another process works with this store")
        try:
            committed = 1 if self._finish() else 0
            data = load()
            loss: Optional[float] = None
            while tasks is None or committed < tasks:
                task = self._next_task(loss)
                self._tell_decisions()
                if task is None:
                    self._on_event(Ended("run_closed"))
                    return "run_closed"
                base = self._base(task)
                if base is None:
                    continue
                evaluation = None if evaluate is None else Evaluation(*evaluate(base.copy(), data))
                loss = loss if evaluation is None else float(evaluation.loss)
                self._train(task, base, data, train, evaluation)
                committed += 1 if self._finish() else 0
            return "done"
        except Stopped:
            self._on_event(Ended("stopped"))
            return "stopped"
        finally:
            self._transport.close()
            self._store.unlock()

    def stop(self) -> None:
        """Ends `work` where it stands; whoever works with the same store later goes on from there. From any thread, or a signal's handler."""
        self._transport.stop()

    def pull(self, name: Union[int, str] = "latest") -> Model:
        """The weights of a version, by its number or digest."""
        try:
            version = self._transport.request(Call("HEAD", f"/versions/{name}"), _version_of)
            return self._versions.model(version).copy()
        finally:
            self._transport.close()

    def _next_task(self, loss: Optional[float]) -> Optional[Task]:
        """None when the run has ended."""
        wait = 0
        told = ""
        while True:
            query = "" if loss is None else f"&loss={loss!r}"
            call = Call("GET", f"/task?wait={wait}{query}", timeout=60.0 + wait)
            body = self._transport.json(call)
            task = read_task(body)
            if task is not None:
                return task
            reason = body["reason"]
            if reason == "run_closed":
                return None
            if reason == "expelled":
                raise ClientError("expelled", "this client was expelled from the run")
            if reason != told:
                self._on_event(Waiting(reason, body.get("retry_at")))
            told = reason
            wait = _WAIT_SECONDS

    def _base(self, task: Task) -> Optional[Model]:
        """What a task begins with; None if it was collected meanwhile, since the task has ended."""
        self._on_event(TaskBegun(task.update, task.round, task.base.version))
        try:
            return self._versions.model(task.base)
        except RequestError as error:
            if error.status not in (404, 410):
                raise
            self._on_event(Dropped(task.update, error.code))
            self._transport.sleep(1.0)
            return None

    def _train(
        self, task: Task, base: Model, data: D, train: Callable[..., Any], evaluation: Optional[Evaluation]
    ) -> None:
        encoding = self._encoding_of(task)
        model = base.copy()
        training = TrainingTask(**vars(task), progress=lambda done, total: self._on_event(Moved("train", done, total)))
        told = train(model, data, training)
        self._transport.check()
        report = told if isinstance(told, Report) else Report(**told)
        if evaluation is not None:
            loss = evaluation.loss if report.loss is None else report.loss
            report = replace(report, loss=loss, metrics={**evaluation.metrics, **report.metrics})
        plan = self._plan(encoding, len(model.values))
        self._updates.prepare(task.update, encoding, plan, base.values, model.values, report.body())

    def _finish(self) -> bool:
        """Sends the update that lies in the store, if any; whether it was committed."""
        update = self._updates.read()
        if update is None:
            return False
        total = update.bytes
        try:
            on_progress: Callable[[int], None] = lambda sent: self._on_event(Moved("push", sent, total))
            decision = push(self._transport, self._updates, update, on_progress)
        except RequestError as error:
            # Nothing that is sent for this update will be taken any more, or not as it is.
            self._updates.clear()
            self._on_event(Dropped(update.id, error.code))
            if error.code != "update_not_found":
                raise
            return False
        self._note(decision)
        self._on_event(Decided(decision))
        self._updates.clear()
        return True

    def _note(self, decision: dict[str, Any]) -> None:
        others = [id for id in read_json(self._store, _PENDING) or [] if id != decision["id"]]
        is_pending = decision["state"] == "pending"
        write_json(self._store, _PENDING, [*others, decision["id"]] if is_pending else others)

    def _tell_decisions(self) -> None:
        """Tells what became of updates that were pending."""
        for id in read_json(self._store, _PENDING) or []:
            found = update_of(self._transport, id)
            if found["state"] not in ("open", "pending"):
                self._note(found)
                self._on_event(Decided(found))

    def _plan(self, encoding: str, parameters: int) -> tuple[Part, ...]:
        if encoding not in self._plans:
            answer = self._transport.json(Call("GET", f"/plan?encoding={encoding}"))
            self._plans[encoding] = read_plan(answer, parameters)
        return self._plans[encoding]

    def _encoding_of(self, task: Task) -> str:
        wanted = ENCODINGS if self._encoding is None else (self._encoding,)
        for each in wanted:
            if each in task.encodings:
                return each
        message = f"the run takes updates in {', '.join(task.encodings)}, not in {', '.join(wanted)}"
        raise ClientError("encoding_refused", message)


def _join(transport: Transport, public_key: str, invitation: str, name: str) -> str:
    body = json.dumps({"invitation": invitation, "public_key": public_key, "name": name}).encode()
    answer = transport.json(Call("POST", "/clients", body=body, has_nonce=True, keyid=public_key))
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
        raise invalid("client.id")
    id: str = answer["id"]
    return id


def _version_of(response: http.client.HTTPResponse) -> Version:
    response.read()
    return read_version(response.getheader("x-isobar-version"), response.getheader("x-isobar-digest"))


def _ignore(event: Event) -> None:
    pass
