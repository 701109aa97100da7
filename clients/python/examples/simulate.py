"""A run with one client for each piece of data, each in a thread of this process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Optional, Sequence, TypeVar

from operator_side import Operator

from isobar_federated import FederatedClient, MemoryStore, Model, TrainingTask

D = TypeVar("D")


def simulate(
    operator: Operator,
    model: Model,
    specification: dict[str, Any],
    data: Sequence[D],
    rounds: int,
    train: Callable[[int, Model, D, TrainingTask], dict[str, Any]],
    evaluate: Optional[Callable[[Model, D], tuple[float, dict[str, float]]]] = None,
    encoding: Optional[str] = None,
) -> list[FederatedClient]:
    """Returns when the run has made so many versions. `train` is told which client it is, from 0 on."""
    flush = {"when": "count", "count": len(data)}
    run = operator.start_run(model, {"flush": flush, "versions_max": rounds, **specification})
    invitation = operator.invite(run, len(data))

    def work(index: int) -> FederatedClient:
        client = FederatedClient.join(operator.url, run, MemoryStore(), invitation, f"client {index}", encoding)
        client.work(
            load=lambda: data[index],
            train=lambda model, samples, task: train(index, model, samples, task),
            evaluate=evaluate,
        )
        return client

    with ThreadPoolExecutor(len(data)) as pool:
        return list(pool.map(work, range(len(data))))
