"""Aggregates one round as Flower's FedAvg does, in memory: argv is the number of clients and of f32 parameters; prints JSON."""

import json
import resource
import sys
import time

import flwr
import numpy as np
from flwr.app import ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

clients, parameters = map(int, sys.argv[1:])
values = (np.arange(parameters) % 1000 / 1000 - 0.5).astype(np.float32)


def reply() -> RecordDict:
    """What a client's message holds when it has arrived: each has bytes of its own."""
    return RecordDict({"arrays": ArrayRecord([values]), "metrics": MetricRecord({"num-examples": 1})})


replies = [reply() for _ in range(clients)]
seconds = []
for _ in range(3):
    began = time.perf_counter()
    result = aggregate_arrayrecords(replies, "num-examples")
    seconds.append(time.perf_counter() - began)
assert np.allclose(result.to_numpy_ndarrays()[0], values, atol=1e-6)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"version": flwr.__version__, "seconds": min(seconds), "peak": peak}))
