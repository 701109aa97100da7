"""The versions that a client trains from, pulled once each."""

from __future__ import annotations

from typing import NamedTuple, Optional

from .download import download
from .encodings import decode, encoded_bytes
from .errors import ClientError, RequestError
from .events import Moved, OnEvent, Resumed
from .model import Model, read_safetensors
from .store import Store
from .transport import Transport

#: Digest of the whole version in the store.
_WHOLE = "whole"
#: A version that came wrong so often is not asked for again.
_PULLS_MAX = 2


class Version(NamedTuple):
    version: int
    digest: str


class Versions:
    """`dtype`: only what comes in `f32` can be checked against the version's digest. `delta`: pull what was added to the newest
    version that is here and came whole, in this encoding, where that is less. It rounds, but its errors do not add up."""

    def __init__(
        self, transport: Transport, store: Store, dtype: str, delta: Optional[str], on_event: OnEvent
    ) -> None:
        self._transport = transport
        self._store = store
        self._dtype = dtype
        self._delta = delta
        self._on_event = on_event
        self._whole: Optional[tuple[str, Model]] = None

    def model(self, version: Version) -> Model:
        """The version's weights. They are this object's: train a copy."""
        if self._whole is not None and self._whole[0] == version.digest:
            return self._whole[1]
        return self._by_delta(version) or self._pull_whole(version)

    def _pull_whole(self, version: Version) -> Model:
        name = f"model.{version.digest}.{self._dtype}"
        for _ in range(_PULLS_MAX):
            file = self._download(name, f"/versions/{version.digest}?dtype={self._dtype}")
            model = self._checked(file, version.digest)
            if model is None:
                self._remove_but(None)
                continue
            self._store.write(_WHOLE, version.digest.encode())
            self._remove_but(name)
            self._whole = (version.digest, model)
            return model
        raise ClientError("digest_mismatch", f"version {version.version} came wrong {_PULLS_MAX} times")

    def _checked(self, file: bytes, digest: str) -> Optional[Model]:
        """The model of a file that came as it was sent, as far as that can be seen; else None."""
        try:
            model = read_safetensors(file)
        except ClientError:
            return None
        return model if self._dtype != "f32" or model.digest() == digest else None

    def _by_delta(self, version: Version) -> Optional[Model]:
        """None where a whole version has to be pulled."""
        delta = self._delta
        if delta is None or encoded_bytes(delta, 256) >= encoded_bytes(self._dtype, 256):
            return None
        whole = self._whole or self._stored()
        if whole is None:
            return None
        digest, model = whole
        if digest == version.digest:
            return model
        try:
            path = f"/versions/{version.digest}/delta?since={digest}&dtype={delta}"
            data = self._download(f"delta.{version.digest}.{delta}", path)
            if len(data) != encoded_bytes(delta, len(model.values)):
                return None
            return Model(model.manifest, decode(delta, data, len(model.values)) + model.values)
        except RequestError as error:
            # The version that is here may be one that the run has collected.
            if error.status in (404, 410):
                return None
            raise
        finally:
            self._remove_but(f"model.{digest}.{self._dtype}")

    def _stored(self) -> Optional[tuple[str, Model]]:
        """What a process before this one has pulled; None if it is not whole."""
        found = self._store.read(_WHOLE)
        if found is None:
            return None
        digest = found.decode()
        name = f"model.{digest}.{self._dtype}"
        if not self._store.names(f"{name}."):
            return None
        try:
            file = self._download(name, f"/versions/{digest}?dtype={self._dtype}")
        except RequestError:
            return None
        model = self._checked(file, digest)
        self._whole = None if model is None else (digest, model)
        return self._whole

    def _download(self, name: str, path: str) -> bytes:
        return download(
            self._transport,
            self._store,
            name,
            path,
            lambda done, total: self._on_event(Moved("pull", done, total)),
            lambda done: self._on_event(Resumed(done)),
        )

    def _remove_but(self, kept: Optional[str]) -> None:
        for prefix in ("model.", "delta."):
            for name in self._store.names(prefix):
                if kept is None or not name.startswith(f"{kept}."):
                    self._store.remove(name)
