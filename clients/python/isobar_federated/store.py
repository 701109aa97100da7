"""Where a client keeps its key, the version that it has pulled and the update that it is sending, so that it can be ended at any
moment. One store belongs to one client in one run. Files are those of the TypeScript client: either goes on with what the
other began."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Optional, Protocol, Union

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from .errors import ClientError

_KEY = "key.pem"
_DRAFT = "draft~"
_LOCK = "lock"
#: A draft that was not written to for so long was left behind.
_DRAFT_SECONDS = 60.0
#: Locks of this process.
_locked: set[Path] = set()


class Store(Protocol):
    """Names consist of letters, digits, `.`, `_` and `-`. `write` has to be whole or not at all."""

    def key(self) -> Ed25519PrivateKey:
        """The client's, made at the first call."""

    def lock(self) -> bool:
        """Keeps others from working with the store; False when somebody does."""

    def unlock(self) -> None: ...

    def read(self, name: str) -> Optional[bytes]: ...

    def write(self, name: str, data: bytes) -> None: ...

    def remove(self, name: str) -> None: ...

    def names(self, prefix: str) -> list[str]: ...


class MemoryStore:
    """Forgets all when its process ends: for simulations and tests."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._key = Ed25519PrivateKey.generate()
        self._lock = threading.Lock()

    def key(self) -> Ed25519PrivateKey:
        return self._key

    def lock(self) -> bool:
        return self._lock.acquire(blocking=False)

    def unlock(self) -> None:
        self._lock.release()

    def read(self, name: str) -> Optional[bytes]:
        return self._values.get(name)

    def write(self, name: str, data: bytes) -> None:
        self._values[name] = bytes(data)

    def remove(self, name: str) -> None:
        self._values.pop(name, None)

    def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self._values if name.startswith(prefix))


class FileStore:
    """A directory that only its owner can read. The key is in PKCS #8, PEM."""

    def __init__(self, directory: Union[str, os.PathLike[str]]) -> None:
        self._directory = Path(directory)

    def key(self) -> Ed25519PrivateKey:
        pem = self.read(_KEY)
        if pem is None:
            made = Ed25519PrivateKey.generate()
            self.write(_KEY, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            return made
        key = load_pem_private_key(pem, None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ClientError("key_invalid", f"{self._directory / _KEY} holds another kind of key than Ed25519")
        return key

    def lock(self) -> bool:
        """A file with the number of the process. One that was killed has left it behind."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = (self._directory / _LOCK).resolve()
        draft = self._draft()
        while path not in _locked:
            # Linked when its number is in it: nobody sees it empty, and takes it for left behind.
            draft.write_text(str(os.getpid()))
            try:
                os.link(draft, path)
                _locked.add(path)
                self._remove_drafts()
                return True
            except FileExistsError:
                text = (self.read(_LOCK) or b"").decode()
            finally:
                draft.unlink()
            if text.isdigit() and int(text) != os.getpid() and _is_alive(int(text)):
                return False
            self._break_lock(text)
        return False

    def _break_lock(self, text: str) -> None:
        """Removes a lock that was left behind. Several may find it so: it is taken aside, and put back by whoever has got another."""
        aside = self._draft()
        try:
            os.rename(self._directory / _LOCK, aside)
        except FileNotFoundError:
            return
        if aside.read_text() != text:
            try:
                os.link(aside, self._directory / _LOCK)
            except FileExistsError:
                pass
        aside.unlink()

    def _remove_drafts(self) -> None:
        """What those who were killed have left half written. Call with the lock."""
        for path in self._directory.glob(f"{_DRAFT}*"):
            try:
                if time.time() - path.stat().st_mtime > _DRAFT_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                pass

    def unlock(self) -> None:
        self.remove(_LOCK)
        _locked.discard((self._directory / _LOCK).resolve())

    def read(self, name: str) -> Optional[bytes]:
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Beside its place, flushed to the disk, then renamed: after a crash the old file is there, or the new one."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._draft()
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self._directory / name)

    def _draft(self) -> Path:
        return self._directory / f"{_DRAFT}{uuid.uuid4().hex}"

    def remove(self, name: str) -> None:
        try:
            (self._directory / name).unlink()
        except FileNotFoundError:
            pass

    def names(self, prefix: str) -> list[str]:
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return []
        return sorted(name for name in names if name.startswith(prefix) and not name.startswith(_DRAFT))


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        # There a signal 0 is Ctrl-C. Only clients of one process are kept apart.
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not _has_ended(pid)


def _has_ended(pid: int) -> bool:
    """Whether it was not waited for yet: in a container without an init, one that was killed stays so. Only Linux tells."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    # The name before the state stands in brackets and may hold some.
    return status.rpartition(") ")[2].startswith(("Z", "X"))


def read_json(store: Store, name: str) -> Any:
    """None where there is nothing."""
    data = store.read(name)
    return None if data is None else json.loads(data)


def write_json(store: Store, name: str, value: Any) -> None:
    store.write(name, json.dumps(value).encode())
