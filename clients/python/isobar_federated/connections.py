"""Connections to one host that are kept for the next request."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from typing import Optional
from urllib.parse import urlsplit


class Connections:
    """Any thread may take one, and gives it back."""

    def __init__(self, url: str, ssl_context: Optional[ssl.SSLContext]) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._ssl_context = (ssl_context or ssl.create_default_context()) if parts.scheme == "https" else None
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        # A signal's handler may shut them while its own thread is in here.
        self._lock = threading.RLock()

    def take(self, timeout: float) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it was used before: the other end may have closed it meanwhile."""
        with self._lock:
            if self._idle:
                connection = self._idle.pop()
                self._busy.add(connection)
                if connection.sock is not None:
                    connection.sock.settimeout(timeout)
                return connection, True
        if self._ssl_context is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        else:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout, context=self._ssl_context
            )
        with self._lock:
            self._busy.add(connection)
        return connection, False

    def give(self, connection: http.client.HTTPConnection, is_free: bool) -> None:
        """One that is not free cannot carry another answer: it is closed."""
        with self._lock:
            self._busy.discard(connection)
            if is_free and connection.sock is not None:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Closes those that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def shut(self) -> None:
        """Ends what is under way."""
        with self._lock:
            for connection in tuple(self._busy):
                try:
                    if connection.sock is not None:
                        connection.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
