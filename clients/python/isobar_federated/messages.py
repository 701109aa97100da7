"""What a run answers, checked where it comes in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Mapping, Optional, Sequence

from .encodings import ENCODINGS
from .errors import ClientError
from .versions import Version


#: Names files too, so that it is nothing else.
_DIGEST = r"[0-9a-f]{64}"


@dataclass(frozen=True)
class Task:
    """Work for a client: to train from `base`, with the run's `config`. `deadline` is in Unix seconds."""

    update: str
    round: int
    base: Version
    deadline: float
    config: Mapping[str, Any]
    encodings: Sequence[str]
    weight_max: float


@dataclass(frozen=True)
class Part:
    """`begin` and `end` (one past the last) count parameters."""

    part: int
    begin: int
    end: int
    bytes: int


@dataclass(frozen=True)
class Report:
    """What training has to report: `examples` counts as the update's weight; `steps` and `loss` where the rule needs them."""

    examples: int
    steps: Optional[int] = None
    loss: Optional[float] = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """As it stands in a commit."""
        if self.examples != int(self.examples) or self.examples < 1:
            raise _bad("examples has to be a whole number, at least 1")
        if self.steps is not None and (self.steps != int(self.steps) or self.steps < 1):
            raise _bad("steps has to be a whole number over 0")
        if self.loss is not None and not isfinite(self.loss):
            raise _bad("loss is not finite")
        for name, value in self.metrics.items():
            if not isfinite(value):
                raise _bad(f"metrics.{name} is not finite")
        metrics = {name: float(value) for name, value in self.metrics.items()}
        body: dict[str, Any] = {"examples": int(self.examples), "metrics": metrics}
        if self.steps is not None:
            body["steps"] = int(self.steps)
        if self.loss is not None:
            body["loss"] = float(self.loss)
        return body


def read_task(body: Any) -> Optional[Task]:
    """None where there is no task; then `reason` and `retry_at` say why."""
    try:
        task = body["task"]
        if task is None:
            str(body["reason"])
            return None
        read = Task(
            update=task["update"],
            round=int(task["round"]),
            base=Version(int(task["base"]["version"]), task["base"]["digest"]),
            deadline=float(task["deadline"]),
            config=dict(task["config"]),
            encodings=tuple(each for each in ENCODINGS if each in task["encodings"]),
            weight_max=float(task["weight_max"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise invalid("task") from error
    if not re.fullmatch(r"[\w.-]{1,200}", read.update) or not re.fullmatch(_DIGEST, read.base.digest):
        raise invalid("task")
    return read


def read_version(version: Optional[str], digest: Optional[str]) -> Version:
    """Which version an answer has, by its headers."""
    if version is None or not version.isdigit() or digest is None or not re.fullmatch(_DIGEST, digest):
        raise invalid("x-isobar-digest")
    return Version(int(version), digest)


def read_plan(body: Any, parameters: int) -> tuple[Part, ...]:
    """Parts that cover the model once and in order; anything else could be an update that sends what it should not."""
    try:
        parts = tuple(
            Part(int(each["part"]), int(each["begin"]), int(each["end"]), int(each["bytes"])) for each in body["parts"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise invalid("plan") from error
    at = 0
    for number, part in enumerate(parts):
        if part.part != number or part.begin != at or part.end <= at:
            raise invalid(f"plan.parts[{number}]")
        at = part.end
    if at != parameters:
        raise invalid("plan.parameters")
    return parts


def read_update(body: Any) -> dict[str, Any]:
    """An open update, or what was decided about it: its `state`."""
    if not isinstance(body, dict) or body.get("state") not in ("open", "pending", "accepted", "refused"):
        raise invalid("update.state")
    return body


def invalid(name: str) -> ClientError:
    return ClientError("answer_invalid", f"the run's answer cannot be read: {name}")


def _bad(what: str) -> ClientError:
    return ClientError("report_invalid", f"what train returned cannot be sent: {what}")
