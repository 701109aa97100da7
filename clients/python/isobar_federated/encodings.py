"""How the values of an update stand in its parts, little-endian: `f32`, `f16`, `bf16`, or `int8` in blocks of 256 with a scale."""

from __future__ import annotations

from typing import Union

import numpy as np

ENCODINGS = ("f32", "f16", "bf16", "int8")
#: Parameters of a row: shards and parts begin at multiples of it.
ROW_PARAMETERS = 2**18
BLOCK = 256

_BLOCK_TYPE = np.dtype([("scale", "<f4"), ("values", "i1", (BLOCK,))])
_VALUE_BYTES = {"f32": 4, "f16": 2, "bf16": 2, "int8": 1}


def encoded_bytes(encoding: str, parameters: int) -> int:
    """Bytes of so many values that begin at a multiple of 256."""
    scales = 4 * (-(-parameters // BLOCK)) if encoding == "int8" else 0
    return parameters * _VALUE_BYTES[encoding] + scales


def encode(encoding: str, values: np.ndarray) -> bytes:
    """f32 values, rounded to nearest, ties to even. What an encoding cannot hold becomes infinite, and the update is refused."""
    values = np.ascontiguousarray(values, dtype="<f4")
    if encoding == "f32":
        return values.tobytes()
    if encoding == "f16":
        with np.errstate(over="ignore", under="ignore"):
            return values.astype("<f2").tobytes()
    if encoding == "bf16":
        return _encode_bf16(values)
    if encoding == "int8":
        return _encode_int8(values)
    raise ValueError(f"unknown encoding {encoding}")


def decode(encoding: str, data: Union[bytes, memoryview], parameters: int) -> np.ndarray:
    """So many f32 values from the start of `data`."""
    if encoding == "f32":
        return np.frombuffer(data, "<f4", parameters).astype(np.float32)
    if encoding == "f16":
        return np.frombuffer(data, "<f2", parameters).astype(np.float32)
    if encoding == "bf16":
        return (np.frombuffer(data, "<u2", parameters).astype(np.uint32) << 16).view(np.float32)
    if encoding == "int8":
        return _decode_int8(data, parameters)
    raise ValueError(f"unknown encoding {encoding}")


def _encode_bf16(values: np.ndarray) -> bytes:
    bits = values.view("<u4")
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    quiet = (bits >> np.uint32(16)) | np.uint32(0x40)
    words: np.ndarray = np.where(np.isnan(values), quiet, rounded).astype("<u2")
    return words.tobytes()


def _encode_int8(values: np.ndarray) -> bytes:
    whole = len(values) // BLOCK * BLOCK
    blocks = np.empty(whole // BLOCK, _BLOCK_TYPE)
    blocks["scale"], blocks["values"] = _scaled(values[:whole].reshape(-1, BLOCK))
    encoded = blocks.tobytes()
    if whole < len(values):
        scale, rest = _scaled(values[whole:].reshape(1, -1))
        encoded += scale.astype("<f4").tobytes() + rest.tobytes()
    return encoded


def _scaled(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each block its scale, and its values in units of it. Divided in double precision, then rounded once."""
    doubles = blocks.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        scale = (np.abs(doubles).max(axis=1) / 127).astype(np.float32)
        divisor = np.where(scale == 0, 1, scale).astype(np.float64)[:, None]
        units = np.clip(np.rint(doubles / divisor), -127, 127)
        return scale, np.where(scale[:, None] == 0, 0, units).astype(np.int8)


def _decode_int8(data: Union[bytes, memoryview], parameters: int) -> np.ndarray:
    whole = parameters // BLOCK
    blocks = np.frombuffer(data, _BLOCK_TYPE, whole)
    values = np.empty(parameters, np.float32)
    values[: whole * BLOCK] = (blocks["scale"][:, None] * blocks["values"].astype(np.float32)).reshape(-1)
    rest = parameters - whole * BLOCK
    if rest:
        at = whole * _BLOCK_TYPE.itemsize
        scale = np.frombuffer(data, "<f4", 1, at)[0]
        values[whole * BLOCK :] = scale * np.frombuffer(data, "i1", rest, at + 4).astype(np.float32)
    return values
