"""Requests of one client to one run: signed, and sent again, signed anew, until they are answered."""

from __future__ import annotations

import http.client
import json
import random
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Optional, TypeVar
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .connections import Connections
from .errors import ClientError, RequestError, Stopped
from .events import OnEvent, Retrying
from .signing import content_digest, new_nonce, signature_headers

T = TypeVar("T")

_TIMEOUT_SECONDS = 60.0
#: Two answers of one clock differ by less.
_CLOCK_SECONDS_MIN = 10.0


@dataclass(frozen=True)
class Backoff:
    """Each pause is twice the one before. After `give_up` seconds of failures a request is given up."""

    first: float = 0.5
    most: float = 30.0
    give_up: float = float("inf")


@dataclass(frozen=True)
class Call:
    method: str
    #: Below the run's URL, query included.
    path: str
    body: Optional[bytes] = None
    has_nonce: bool = False
    #: Default: the client's id.
    keyid: Optional[str] = None
    #: Asked anew at each attempt.
    headers: Callable[[], Mapping[str, str]] = field(default=dict)
    #: Seconds without a byte.
    timeout: float = _TIMEOUT_SECONDS


class _Stale(Exception):
    """A connection that was kept had been closed at the other end: another one may do at once."""


class Transport:
    """`url` is the run's. Any thread may call."""

    def __init__(
        self,
        url: str,
        key: Ed25519PrivateKey,
        backoff: Backoff,
        on_event: OnEvent,
        ssl_context: Optional[ssl.SSLContext] = None,
    ) -> None:
        self.url = url
        #: The client's id, once it has joined.
        self.keyid = ""
        self._key = key
        self._backoff = backoff
        self._on_event = on_event
        self._connections = Connections(url, ssl_context)
        self._stop = threading.Event()
        # How far the run's clock is ahead of ours, as far as it has said so.
        self._clock_ahead = 0.0

    def stop(self) -> None:
        """Ends what is under way, in all threads, with `Stopped`."""
        self._stop.set()
        self._connections.shut()

    def close(self) -> None:
        """Closes connections that are kept for the next request, which opens one."""
        self._connections.close()

    def check(self) -> None:
        if self._stop.is_set():
            raise Stopped()

    def sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped()

    def json(self, call: Call) -> Any:
        return self.request(call, lambda response: json.loads(response.read()))

    def request(self, call: Call, read: Callable[[http.client.HTTPResponse], T]) -> T:
        """What `read` makes of the answer. Refusals are raised as `RequestError`; where it may help the request is sent again, also
        when the answer breaks off."""
        start = time.monotonic()
        pause = self._backoff.first
        while True:
            try:
                return self._attempt(call, read)
            except _Stale:
                continue
            except (OSError, http.client.HTTPException, ValueError, RequestError) as error:
                self.check()
                wait = self._wait_after(error, pause)
                if wait is None or time.monotonic() - start + wait > self._backoff.give_up:
                    raise
                self._on_event(Retrying(error, wait))
                self.sleep(wait)
                pause = min(self._backoff.most, pause * 2)

    def _attempt(self, call: Call, read: Callable[[http.client.HTTPResponse], T]) -> T:
        self.check()
        url = self.url + call.path
        headers = dict(call.headers())
        digest = None
        if call.body is not None:
            digest = content_digest(call.body)
            headers["content-digest"] = digest
            is_part = "/parts/" in call.path
            headers["content-type"] = "application/octet-stream" if is_part else "application/json"
        created = int(time.time() + self._clock_ahead)
        nonce = new_nonce() if call.has_nonce else None
        keyid = call.keyid or self.keyid
        headers.update(signature_headers(self._key, keyid, call.method, url, digest, created, nonce))
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection, is_used = self._connections.take(call.timeout)
        is_free = False
        try:
            try:
                connection.request(call.method, target, body=call.body, headers=headers)
                response = connection.getresponse()
            except (ConnectionError, http.client.BadStatusLine) as error:
                if is_used:
                    raise _Stale() from error
                raise
            if response.status >= 300:
                body = response.read()
                is_free = response.isclosed()
                raise RequestError(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
            value = read(response)
            is_free = response.isclosed()
            return value
        finally:
            self._connections.give(connection, is_free)

    def _wait_after(self, error: Exception, pause: float) -> Optional[float]:
        """Seconds to wait before the next attempt; None if none would help."""
        spread = pause * (0.5 + random.random() / 2)
        if isinstance(error, ssl.SSLCertVerificationError):
            return None
        if not isinstance(error, RequestError):
            return spread
        if error.code == "signature_expired":
            return 0.0 if self._set_clock(error.date) else None
        if error.may_retry or error.code == "nonce_replayed":
            return max(spread, error.retry_after or 0.0)
        return None

    def _set_clock(self, date: Optional[float]) -> bool:
        """Whether what the run said of the time is news."""
        if date is None:
            return False
        ahead = date - time.time()
        is_news = abs(ahead - self._clock_ahead) > _CLOCK_SECONDS_MIN
        self._clock_ahead = ahead
        return is_news


def run_url(url: str, run: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClientError("url_invalid", f"{url} is no http or https URL")
    return f"{url.rstrip('/')}/v1/runs/{run}"
