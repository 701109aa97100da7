import json
import struct
import unittest

import numpy as np

from isobar_federated import ClientError, model_of, read_safetensors, write_safetensors


def file_of(header: object, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(begin: int, end: int, dtype: str = "F32", shape: object = None) -> dict:
    return {"dtype": dtype, "shape": [(end - begin) // 4] if shape is None else shape, "data_offsets": [begin, end]}


class Models(unittest.TestCase):
    def test_tensors_are_views_of_the_values(self) -> None:
        model = model_of({"weight": np.ones((2, 3)), "bias": np.zeros(3), "scalar": 5.0})
        model["weight"][1, 2] = 7
        self.assertEqual(model.values.tolist(), [1, 1, 1, 1, 1, 7, 0, 0, 0, 5])
        copy = model.copy()
        copy["bias"][:] = 9
        self.assertEqual(model["bias"].tolist(), [0, 0, 0])

    def test_a_file_is_read_as_it_was_written(self) -> None:
        model = model_of({"é": np.arange(6.0).reshape(2, 3), "b": np.array(2.5), "empty": np.zeros((0, 4))})
        for dtype in ("F32", "F16", "BF16"):
            read = read_safetensors(write_safetensors(model, dtype, {"by": "test"}))
            np.testing.assert_array_equal(read.values, model.values)
            self.assertEqual(read.manifest, model.manifest)

    def test_tensors_stand_in_the_order_of_their_data(self) -> None:
        header = {"b": tensor(4, 12), "a": tensor(0, 4)}
        model = read_safetensors(file_of(header, np.array([1, 2, 3], "<f4").tobytes()))
        self.assertEqual([each.name for each in model.manifest], ["a", "b"])
        self.assertEqual(model["b"].tolist(), [2, 3])

    def test_digest_is_that_of_its_rows(self) -> None:
        # By the TypeScript client: new Model(...).digest() of i / 4 for i < 2^18 + 3.
        values = (np.arange(2**18 + 3) / 4).astype(np.float32)
        self.assertEqual(
            model_of({"w": values}).digest(), "8cdbc9cba62d8b4a63a819b06486274c0885e33017c063a9651eaf44b34df61d"
        )

    def test_hostile_files(self) -> None:
        data = bytes(8)
        for file in (
            b"",
            b"short",
            struct.pack("<Q", 2**40),
            struct.pack("<Q", 10) + b"{}",
            file_of([], b""),
            file_of({"a": 1}, data),
            file_of({"a": tensor(0, 8, "I64", [1])}, data),
            file_of({"a": tensor(0, 8, shape=[3])}, data),
            file_of({"a": tensor(0, 8, shape=[-2])}, data),
            file_of({"a": tensor(0, 8, shape="xx")}, data),
            file_of({"a": tensor(4, 8)}, data),
            file_of({"a": tensor(0, 8), "b": tensor(4, 8)}, data),
            file_of({"a": tensor(0, 4)}, data),
            file_of({"a": tensor(0, 12)}, data),
        ):
            with self.assertRaises(ClientError) as caught:
                read_safetensors(file)
            self.assertEqual(caught.exception.code, "model_invalid", file)
