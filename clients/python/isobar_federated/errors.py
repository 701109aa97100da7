"""What can go wrong: a run says no, or this client does."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import Any, Mapping, Optional


class RequestError(Exception):
    """An answer of the run that says no. `code` is one of docs/federated-api.md."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        error = _error_in(body)
        super().__init__(str(error.get("message") or f"HTTP {status}"))
        self.status = status
        self.code = str(error.get("code") or f"http_{status}")
        self.param: Optional[str] = error.get("param")
        self.details: dict[str, Any] = error.get("details") or {}
        should = headers.get("x-should-retry")
        #: Whether the same request may be sent again.
        self.may_retry = status >= 500 or status in (408, 429) if should is None else should == "true"
        #: When, in seconds.
        self.retry_after = _number(headers.get("retry-after"))
        #: The run's clock, Unix seconds.
        self.date = _instant(headers.get("date"))


class ClientError(Exception):
    """What this client refuses by itself. `code` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Stopped(Exception):
    """`stop` was called."""


def _error_in(body: bytes) -> dict[str, Any]:
    # A proxy between may have answered anything.
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _number(text: Optional[str]) -> Optional[float]:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _instant(text: Optional[str]) -> Optional[float]:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None
