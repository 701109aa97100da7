"""Models as one vector of f32 with named views, and the safetensors files that they stand in."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from math import prod
from typing import Any, Mapping, Optional, Sequence

import numpy as np

from .encodings import ROW_PARAMETERS, decode, encode
from .errors import ClientError

_HEADER_BYTES_MAX = 2**20
_TYPES = {"F32": ("f32", 4), "F16": ("f16", 2), "BF16": ("bf16", 2)}


@dataclass(frozen=True)
class Tensor:
    """`offset` counts parameters: all tensors stand behind one another."""

    name: str
    shape: tuple[int, ...]
    offset: int
    parameters: int


class Model:
    """All numbers as one vector, `values`; `tensors` are views of it by name, in their shapes: what is written there is in the model."""

    def __init__(self, manifest: Sequence[Tensor], values: np.ndarray) -> None:
        self.manifest = tuple(manifest)
        self.values = values
        self.tensors: dict[str, np.ndarray] = {
            each.name: values[each.offset : each.offset + each.parameters].reshape(each.shape) for each in manifest
        }

    def __getitem__(self, name: str) -> np.ndarray:
        return self.tensors[name]

    def copy(self) -> Model:
        return Model(self.manifest, self.values.copy())

    def digest(self) -> str:
        """The digest that names a version with these values."""
        rows = hashlib.sha256()
        for begin in range(0, len(self.values), ROW_PARAMETERS):
            row = self.values[begin : begin + ROW_PARAMETERS].astype("<f4", copy=False)
            rows.update(hashlib.sha256(row.tobytes()).digest())
        return rows.hexdigest()


def model_of(tensors: Mapping[str, Any]) -> Model:
    """A model of these arrays, in this order, as f32."""
    arrays = {name: np.asarray(array, np.float32) for name, array in tensors.items()}
    manifest = []
    offset = 0
    for name, array in arrays.items():
        manifest.append(Tensor(name, array.shape, offset, array.size))
        offset += array.size
    values = np.concatenate([array.reshape(-1) for array in arrays.values()]) if arrays else np.empty(0, np.float32)
    return Model(manifest, values)


def read_safetensors(file: bytes) -> Model:
    """Reads a file whose tensors are F32, F16 or BF16 and cover its data once."""
    if len(file) < 8:
        raise _invalid("it ends within its first 8 bytes")
    (length,) = struct.unpack("<Q", file[:8])
    if length > _HEADER_BYTES_MAX:
        raise _invalid(f"its header would have {length} bytes, and at most {_HEADER_BYTES_MAX} are read")
    if len(file) < 8 + length:
        raise _invalid(f"it ends within its header of {length} bytes")
    try:
        header = json.loads(file[8 : 8 + length].decode("utf-8"))
        described = [(name, *_described(value)) for name, value in header.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _invalid(f"its header cannot be read: {error}") from error
    described.sort(key=lambda each: (each[3], each[4]))
    data = memoryview(file)[8 + length :]
    manifest: list[Tensor] = []
    pieces: list[np.ndarray] = []
    at = offset = 0
    for name, dtype, shape, begin, end in described:
        encoding, width = _TYPES[dtype]
        parameters = prod(shape)
        if begin != at or end - begin != parameters * width:
            raise _invalid(f'tensor "{name}" stands at {begin} to {end}, not at {at} to {at + parameters * width}')
        if end > len(data):
            raise _invalid(f'it ends within tensor "{name}"')
        pieces.append(decode(encoding, data[begin:end], parameters))
        manifest.append(Tensor(name, shape, offset, parameters))
        at, offset = end, offset + parameters
    if at != len(data):
        raise _invalid(f"it has {len(data) - at} bytes behind its last tensor")
    return Model(manifest, np.concatenate(pieces) if pieces else np.empty(0, np.float32))


def write_safetensors(model: Model, dtype: str = "F32", metadata: Optional[Mapping[str, str]] = None) -> bytes:
    """A file with all tensors of one type; its data begins at a multiple of 8."""
    encoding, width = _TYPES[dtype]
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    for each in model.manifest:
        offsets = [each.offset * width, (each.offset + each.parameters) * width]
        header[each.name] = {"dtype": dtype, "shape": list(each.shape), "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + encode(encoding, model.values)


def _described(value: Mapping[str, Any]) -> tuple[str, tuple[int, ...], int, int]:
    dtype, shape = value["dtype"], tuple(value["shape"])
    begin, end = value["data_offsets"]
    if dtype not in _TYPES:
        raise ValueError(f"the type {dtype} cannot be averaged")
    if not all(isinstance(each, int) and each >= 0 for each in (*shape, begin, end)):
        raise ValueError("shape and data_offsets have to be sizes")
    return dtype, shape, begin, end


def _invalid(message: str) -> ClientError:
    return ClientError("model_invalid", f"the file is no model: {message}")
