"""What a client tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, Union


@dataclass(frozen=True)
class Joined:
    client: str


@dataclass(frozen=True)
class Waiting:
    """There is no task: `reason` is one of the contract's."""

    reason: str
    retry_at: Optional[float]


@dataclass(frozen=True)
class TaskBegun:
    update: str
    round: int
    version: int


@dataclass(frozen=True)
class Moved:
    """`what` is `pull`, `train` or `push`; pulls and pushes count bytes."""

    what: str
    done: float
    total: float


@dataclass(frozen=True)
class Decided:
    """The answer to a commit, and later what became of it: `pending`, `accepted`, `refused`."""

    decision: dict[str, Any]


@dataclass(frozen=True)
class Dropped:
    """An update that can no longer count was dropped before its commit: `code` says why."""

    update: str
    code: str


@dataclass(frozen=True)
class Retrying:
    error: Exception
    seconds: float


@dataclass(frozen=True)
class Resumed:
    """A download goes on at this byte."""

    done: int


@dataclass(frozen=True)
class Ended:
    """`run_closed` or `stopped`."""

    reason: str


Event = Union[Joined, Waiting, TaskBegun, Moved, Decided, Dropped, Retrying, Resumed, Ended]
OnEvent = Callable[[Event], None]
