"""Samples, and how they are spread over clients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Samples(NamedTuple):
    #: Samples x features, in [0, 1].
    x: np.ndarray
    labels: np.ndarray

    def take(self, indexes: np.ndarray) -> Samples:
        return Samples(self.x[indexes], self.labels[indexes])


def skewed(samples: Samples, clients: int) -> list[Samples]:
    """Samples of few labels a client: sorted by label and cut into twice as many shards as there are clients; client c has the shards
    c and c + clients."""
    order = np.argsort(samples.labels, kind="stable")
    shards = np.array_split(order, 2 * clients)
    return [samples.take(np.concatenate([shards[c], shards[c + clients]])) for c in range(clients)]
