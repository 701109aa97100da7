"""A run's end of the wire, for tests: answers what it is told, in turn; the last answer again and again."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, NamedTuple


class Seen(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = {}
    #: Bytes of the body after which the connection breaks.
    cut: int = 2**62


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


def refusal(status: int, code: str, **headers: str) -> Answer:
    return json_answer({"error": {"message": f"it is {code}", "code": code, "details": {"of": code}}}, status, **headers)


class FakeRun:
    """`answer(request, number)` is asked for each request, numbered from 0."""

    def __init__(self, answer: Callable[[Seen, int], Answer]) -> None:
        self.seen: list[Seen] = []
        run = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, self.rfile.read(length))
                run.seen.append(seen)
                told = answer(seen, len(run.seen) - 1)
                self.send_response_only(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(told.body)))
                try:
                    self.end_headers()
                except OSError:
                    return
                try:
                    self.wfile.write(told.body[: told.cut])
                    self.close_connection = told.cut < len(told.body) or "connection" in told.headers
                except OSError:
                    # Whoever asked was stopped.
                    self.close_connection = True

            do_GET = do_HEAD = do_PUT = do_POST = _any

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> FakeRun:
        return self

    def __exit__(self, *args: Any) -> None:
        self._server.shutdown()
        self._server.server_close()


def in_turn(*answers: Answer) -> Callable[[Seen, int], Answer]:
    return lambda seen, number: answers[min(number, len(answers) - 1)]
