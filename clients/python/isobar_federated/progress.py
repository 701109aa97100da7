"""A progress bar for terminals."""

from __future__ import annotations

import sys
from typing import Optional, TextIO

from .events import Decided, Dropped, Ended, Event, Joined, Moved, OnEvent, Resumed, Retrying, TaskBegun, Waiting

_WIDTH = 24
_MIB = 2**20


def terminal_progress(out: Optional[TextIO] = None) -> OnEvent:
    """Shows what a client does: on a terminal a bar that moves, else a line for each thing that is done."""
    stream = out or sys.stderr
    is_open = False

    def show(event: Event) -> None:
        nonlocal is_open
        if isinstance(event, Moved):
            if stream.isatty():
                stream.write(f"\r\x1b[K{_bar(event)}")
                is_open = True
        else:
            stream.write(f"{chr(13) + chr(27) + '[K' if is_open else ''}{_line(event)}\n")
            is_open = False
        stream.flush()

    return show


def _bar(event: Moved) -> str:
    part = min(1.0, event.done / event.total) if event.total > 0 else 0.0
    filled = round(part * _WIDTH)
    if event.what == "train":
        counts = f"{event.done:g}/{event.total:g}"
    else:
        counts = f"{event.done / _MIB:.1f}/{event.total / _MIB:.1f} MiB"
    return f"{event.what:<5} [{'#' * filled}{' ' * (_WIDTH - filled)}] {counts}"


def _line(event: Event) -> str:
    if isinstance(event, Joined):
        return f"joined as {event.client}"
    if isinstance(event, Waiting):
        return f"waiting: {event.reason}"
    if isinstance(event, TaskBegun):
        return f"round {event.round}, from version {event.version}"
    if isinstance(event, Decided):
        decision = event.decision
        version = f" in version {decision['version']}" if "version" in decision else ""
        reason = f" ({decision['reason']['code']})" if decision.get("reason") else ""
        return f"update {decision['id']}: {decision['state']}{version}{reason}"
    if isinstance(event, Dropped):
        return f"update {event.update} was dropped: {event.code}"
    if isinstance(event, Retrying):
        return f"{event.error}; again in {event.seconds:.1f} s"
    if isinstance(event, Resumed):
        return f"going on at byte {event.done}"
    if isinstance(event, Ended):
        return f"ended: {event.reason}"
    raise TypeError(f"unknown event {event!r}")
