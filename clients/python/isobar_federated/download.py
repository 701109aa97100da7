"""Pulls that go on where they were broken off."""

from __future__ import annotations

import http.client
from typing import Callable, Optional

from .errors import RequestError
from .store import Store
from .transport import Call, Transport

#: What is kept at a time: so much may have to be pulled again after a crash.
CHUNK_BYTES = 2**22
_PIECE_BYTES = 2**18


def download(
    transport: Transport,
    store: Store,
    name: str,
    path: str,
    on_progress: Callable[[int, int], None],
    on_resumed: Callable[[int], None],
) -> bytes:
    """Pulls what never changes, such as a version by its digest, into chunks in the store named `name.0`, `name.1`, …; goes on where it,
    or a process before it, was stopped. Returns all bytes."""
    pull = _Download(store, name)
    pull.load()
    if 0 < pull.size != pull.total:
        on_resumed(pull.size)
    while pull.size != pull.total:
        before = pull.size
        call = Call(
            "GET",
            path,
            headers=lambda: {"range": f"bytes={pull.size}-"} if pull.size > 0 else {},
        )
        try:
            transport.request(call, lambda response: pull.take(response, on_progress))
        except RequestError as error:
            # All bytes are there, and what said how many was lost.
            if error.code != "range_not_satisfiable" or error.details.get("size") != pull.size:
                raise
            pull.total = pull.size
        if pull.size != pull.total and before > 0:
            on_resumed(pull.size)
    pull.flush()
    return pull.whole()


class _Download:
    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._chunks: list[bytes] = []
        # Begun and not stored.
        self._open = bytearray()
        self.total: Optional[int] = None

    @property
    def size(self) -> int:
        return len(self._chunks) * CHUNK_BYTES + len(self._open)

    def load(self) -> None:
        """What an earlier process has stored: whole chunks, and at most one shorter one, the last of a complete download."""
        while True:
            chunk = self._store.read(f"{self._name}.{len(self._chunks)}")
            if chunk is None:
                return
            if len(chunk) < CHUNK_BYTES:
                self._open = bytearray(chunk)
                self.total = self.size
                return
            self._chunks.append(chunk)

    def take(self, response: http.client.HTTPResponse, on_progress: Callable[[int, int], None]) -> None:
        """Takes in an answer until it ends or breaks: what came is kept either way."""
        if response.status != 206:
            self._chunks.clear()
            self._open.clear()
        content_range = response.getheader("content-range") or ""
        size = content_range.rpartition("/")[2] or response.getheader("content-length") or ""
        self.total = int(size) if size.isdigit() else None
        start = self.size
        try:
            while True:
                piece = response.read(_PIECE_BYTES)
                if not piece:
                    break
                self._append(piece)
                on_progress(self.size, self.total or self.size)
        except (OSError, http.client.HTTPException):
            # Without any progress it is a failure, which is waited after.
            if self.size == start:
                raise
            return
        if self.total is None:
            self.total = self.size
        if self.size == start and self.size != self.total:
            raise http.client.HTTPException("the answer was empty")

    def flush(self) -> None:
        if self._open:
            self._store.write(f"{self._name}.{len(self._chunks)}", bytes(self._open))

    def whole(self) -> bytes:
        return b"".join([*self._chunks, self._open])

    def _append(self, piece: bytes) -> None:
        self._open += piece
        while len(self._open) >= CHUNK_BYTES:
            chunk = bytes(self._open[:CHUNK_BYTES])
            self._store.write(f"{self._name}.{len(self._chunks)}", chunk)
            self._chunks.append(chunk)
            del self._open[:CHUNK_BYTES]
