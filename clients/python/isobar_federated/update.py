"""The update that a client is sending, so kept that whoever starts after a crash sends the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

import numpy as np

from .encodings import encode
from .errors import ClientError
from .messages import Part
from .store import Store, read_json, write_json

_UPDATE = "update"
_PARTS = "part."


@dataclass(frozen=True)
class PreparedUpdate:
    """Its parts lie in the store beside it; `digests` has the SHA-256 of each."""

    id: str
    encoding: str
    digests: Sequence[str]
    bytes: int
    report: Mapping[str, Any]


class UpdateStore:
    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> Optional[PreparedUpdate]:
        found = read_json(self._store, _UPDATE)
        return None if found is None else PreparedUpdate(**found)

    def part(self, number: int) -> bytes:
        data = self._store.read(f"{_PARTS}{number}")
        if data is None:
            raise FileNotFoundError(f"part {number} of the update is not in the store")
        return data

    def prepare(
        self,
        id: str,
        encoding: str,
        plan: Sequence[Part],
        base: np.ndarray,
        trained: np.ndarray,
        report: Mapping[str, Any],
    ) -> None:
        """Cuts what training has changed into the plan's parts. It is there once all of it is."""
        self.clear()
        digests = []
        total = 0
        for part in plan:
            delta = trained[part.begin : part.end] - base[part.begin : part.end]
            bad = np.flatnonzero(~np.isfinite(delta))
            if bad.size:
                index = part.begin + int(bad[0])
                raise ClientError("update_not_finite", f"parameter {index} of the trained model is not finite")
            data = encode(encoding, delta)
            if len(data) != part.bytes:
                message = f"part {part.part} has {len(data)} bytes, not the plan's {part.bytes}"
                raise ClientError("answer_invalid", message)
            digests.append(hashlib.sha256(data).hexdigest())
            total += len(data)
            self._store.write(f"{_PARTS}{part.part}", data)
        update = {"id": id, "encoding": encoding, "digests": digests, "bytes": total, "report": dict(report)}
        write_json(self._store, _UPDATE, update)

    def clear(self) -> None:
        """Parts without an update belong to none."""
        self._store.remove(_UPDATE)
        for name in self._store.names(_PARTS):
            self._store.remove(name)
