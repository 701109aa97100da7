"""Softmax regression: `weight` (features x classes), `bias`."""

from __future__ import annotations

import numpy as np
from samples import Samples

from isobar_federated import Model, model_of


def softmax_model(features: int, classes: int) -> Model:
    return model_of({"weight": np.zeros((features, classes)), "bias": np.zeros(classes)})


def descend(model: Model, samples: Samples, steps: int, rate: float) -> None:
    """Full-batch gradient descent on the mean cross-entropy, in place. In double precision, and rounded once at the end."""
    weight, bias = model["weight"].astype(np.float64), model["bias"].astype(np.float64)
    rows = np.arange(len(samples.labels))
    for _ in range(steps):
        error = _probabilities(samples.x @ weight + bias)
        error[rows, samples.labels] -= 1
        error /= len(rows)
        weight -= rate * samples.x.T @ error
        bias -= rate * error.sum(axis=0)
    model["weight"][:], model["bias"][:] = weight, bias


def score(model: Model, samples: Samples) -> tuple[float, dict[str, float]]:
    """Mean cross-entropy, and the share of right answers."""
    p = _probabilities(samples.x @ model["weight"].astype(np.float64) + model["bias"])
    right = p[np.arange(len(samples.labels)), samples.labels]
    return -float(np.log(right).mean()), {"accuracy": float((p.argmax(axis=1) == samples.labels).mean())}


def _probabilities(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
