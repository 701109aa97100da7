import unittest

import numpy as np

from isobar_federated.encodings import ENCODINGS, decode, encode, encoded_bytes


def values(count: int, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.standard_normal(count) * 10.0 ** random.integers(-6, 4, count)).astype(np.float32)


class Encodings(unittest.TestCase):
    def test_sizes(self) -> None:
        for encoding in ENCODINGS:
            for count in (1, 255, 256, 257, 1000):
                data = encode(encoding, values(count))
                self.assertEqual(len(data), encoded_bytes(encoding, count))
                self.assertEqual(len(decode(encoding, data, count)), count)

    def test_f32_is_exact(self) -> None:
        given = values(1000)
        np.testing.assert_array_equal(decode("f32", encode("f32", given), 1000), given)

    def test_what_was_decoded_is_encoded_to_the_same_bytes(self) -> None:
        for encoding in ("f16", "bf16"):
            data = encode(encoding, values(1000))
            self.assertEqual(encode(encoding, decode(encoding, data, 1000)), data)

    def test_errors_are_at_most_half_a_step(self) -> None:
        given = values(10_000)
        bf16 = decode("bf16", encode("bf16", given), 10_000)
        self.assertLessEqual(float((np.abs(bf16 - given) / np.abs(given)).max()), 2.0**-8)
        int8 = decode("int8", encode("int8", given), 10_000)
        for begin in range(0, 10_000, 256):
            block = slice(begin, begin + 256)
            step = np.abs(given[block]).max() / 127
            self.assertLessEqual(float(np.abs(int8[block] - given[block]).max()), step * 0.5001)

    def test_ties_go_to_even(self) -> None:
        # Halfway between 1 and the next bf16, and between that and the one after.
        given = np.array([1 + 2.0**-8, 1 + 3 * 2.0**-8], np.float32)
        np.testing.assert_array_equal(decode("bf16", encode("bf16", given), 2), [1, 1 + 2.0**-6])

    def test_zeros_and_what_does_not_fit(self) -> None:
        zeros = np.zeros(300, np.float32)
        for encoding in ENCODINGS:
            np.testing.assert_array_equal(decode(encoding, encode(encoding, zeros), 300), zeros)
        self.assertTrue(np.isinf(decode("f16", encode("f16", np.array([1e6], np.float32)), 1)).all())

    def test_unknown(self) -> None:
        with self.assertRaises(ValueError):
            encode("f8", values(1))
