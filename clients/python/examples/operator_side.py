"""The operator's side of an example: makes a run."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any, Optional

from isobar_federated import Model, write_safetensors


class Operator:
    def __init__(self, url: str, key: Optional[str] = None) -> None:
        self.url = url.rstrip("/")
        self._key = key or os.environ.get("ISOBAR_KEY", "")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self._send(method, path, b"{}" if body is None else json.dumps(body).encode())

    def start_run(self, model: Model, specification: dict[str, Any]) -> str:
        """A run that is running, from these weights."""
        file = write_safetensors(model)
        header = json.loads(file[8 : len(file) - model.values.nbytes])
        run: str = self.call("POST", "", {"model": header, **specification})["id"]
        self._send("PUT", f"/{run}/weights", file)
        self.call("POST", f"/{run}/start")
        return run

    def invite(self, run: str, uses: int) -> str:
        token: str = self.call("POST", f"/{run}/invitations", {"uses": uses})["token"]
        return token

    def _send(self, method: str, path: str, data: bytes) -> Any:
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/v1/runs{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {request.full_url}: {error.code}, {_message(error)}") from None
        except urllib.error.URLError as error:
            raise SystemExit(f"{self.url} cannot be reached: {error.reason}") from None


def _message(error: urllib.error.HTTPError) -> str:
    """What Isobar says, or whatever else answered."""
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return error.reason
