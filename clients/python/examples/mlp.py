"""A layer of rectified units between features and classes."""

from __future__ import annotations

from typing import Callable

import numpy as np
from samples import Samples

from isobar_federated import Model, model_of

_NAMES = ("in.weight", "in.bias", "out.weight", "out.bias")


def mlp_model(features: int, hidden: int, classes: int, seed: int) -> Model:
    """Starts as by Glorot and Bengio (2010)."""
    random = np.random.default_rng(seed)

    def layer(rows: int, columns: int) -> np.ndarray:
        most = np.sqrt(6 / (rows + columns))
        return random.uniform(-most, most, (rows, columns))

    arrays = (layer(features, hidden), np.zeros(hidden), layer(hidden, classes), np.zeros(classes))
    return model_of(dict(zip(_NAMES, arrays)))


def train_mlp(
    model: Model,
    samples: Samples,
    epochs: int,
    batch: int,
    rate: float,
    random: np.random.Generator,
    progress: Callable[[float, float], None] = lambda done, total: None,
) -> int:
    """Stochastic gradient descent on the mean cross-entropy of batches, in place; returns its number of steps."""
    in_weight, in_bias, out_weight, out_bias = (model[name] for name in _NAMES)
    steps = 0
    for epoch in range(epochs):
        order = random.permutation(len(samples.labels))
        for begin in range(0, len(order), batch):
            indexes = order[begin : begin + batch]
            x, labels = samples.x[indexes], samples.labels[indexes]
            hidden = np.maximum(x @ in_weight + in_bias, 0)
            error = _softmax(hidden @ out_weight + out_bias)
            error[np.arange(len(labels)), labels] -= 1
            error /= len(labels)
            back = (error @ out_weight.T) * (hidden > 0)
            out_weight -= rate * (hidden.T @ error)
            out_bias -= rate * error.sum(axis=0)
            in_weight -= rate * (x.T @ back)
            in_bias -= rate * back.sum(axis=0)
            steps += 1
        progress(epoch + 1, epochs)
    return steps


def score_mlp(model: Model, samples: Samples) -> tuple[float, dict[str, float]]:
    """Mean cross-entropy, and the share of right answers."""
    in_weight, in_bias, out_weight, out_bias = (model[name] for name in _NAMES)
    p = _softmax(np.maximum(samples.x @ in_weight + in_bias, 0) @ out_weight + out_bias)
    right = np.maximum(p[np.arange(len(samples.labels)), samples.labels], 1e-30)
    return -float(np.log(right).mean()), {"accuracy": float((p.argmax(axis=1) == samples.labels).mean())}


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
