"""Sends an update: the parts that the run does not have, and the commit that makes it count."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Optional

from .errors import RequestError
from .messages import read_update
from .transport import Call, Transport
from .update import PreparedUpdate, UpdateStore

#: Parts on their way at once.
_PARTS_UNDER_WAY = 2
_PART_SECONDS = 600.0
_COMMITS_MAX = 5


def push(
    transport: Transport, store: UpdateStore, update: PreparedUpdate, on_progress: Callable[[int], None]
) -> dict[str, Any]:
    """What was decided, perhaps long ago."""
    for attempt in range(1, _COMMITS_MAX + 1):
        found = update_of(transport, update.id, update.encoding)
        if found["state"] != "open":
            return found
        try:
            _send_parts(transport, store, update, found, on_progress)
            return _commit(transport, update)
        except RequestError as error:
            if error.code == "update_closed" and error.details.get("update"):
                return read_update(error.details["update"])
            # Parts may have been lost or replaced since they were sent; or an answer to a commit was.
            if error.code not in ("parts_missing", "update_closed") or attempt == _COMMITS_MAX:
                raise
    raise AssertionError("unreachable")


def update_of(transport: Transport, id: str, encoding: Optional[str] = None) -> dict[str, Any]:
    """What was decided about an update; before that, which of its parts in this encoding the run has."""
    query = f"?encoding={encoding}" if encoding else ""
    return read_update(transport.json(Call("GET", f"/updates/{id}{query}")))


def _send_parts(
    transport: Transport,
    store: UpdateStore,
    update: PreparedUpdate,
    found: dict[str, Any],
    on_progress: Callable[[int], None],
) -> None:
    stored = {each["part"]: each["digest"] for each in found["parts"]["stored"]}
    sent = 0
    missing = []
    for part, digest in enumerate(update.digests):
        if stored.get(part) == digest:
            sent += len(store.part(part))
            on_progress(sent)
        else:
            missing.append(part)

    def send(part: int) -> int:
        body = store.part(part)
        path = f"/updates/{update.id}/parts/{part}?encoding={update.encoding}"
        transport.json(Call("PUT", path, body=body, timeout=_PART_SECONDS))
        return len(body)

    if len(missing) == 1:
        on_progress(sent + send(missing[0]))
        return
    with ThreadPoolExecutor(_PARTS_UNDER_WAY) as pool:
        jobs = [pool.submit(send, part) for part in missing]
        try:
            for job in jobs:
                sent += job.result()
                on_progress(sent)
        finally:
            for job in jobs:
                job.cancel()


def _commit(transport: Transport, update: PreparedUpdate) -> dict[str, Any]:
    body = {"encoding": update.encoding, "parts": list(update.digests), **update.report}
    call = Call("POST", f"/updates/{update.id}/commit", body=json.dumps(body).encode(), has_nonce=True)
    return read_update(transport.json(call))
