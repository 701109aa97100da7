"""A client in Python for tests: trains by adding the same numbers each time, and prints its events."""

import json
import sys

import numpy as np

from isobar_federated import Backoff, FederatedClient, FileStore

options = json.loads(sys.argv[1])


def train(model, data, task):
    i = np.arange(len(model.values))
    model.values += (options.get("seed", 1) * ((i % 251) - 125) / 1024).astype(np.float32)
    return {"examples": 1}


client = FederatedClient.join(
    options["url"],
    options["run"],
    FileStore(options["store"]),
    options.get("invitation"),
    encoding=options.get("encoding"),
    delta=options.get("delta"),
    backoff=Backoff(0.05, 0.5, 60),
    on_event=lambda event: print(json.dumps({"type": type(event).__name__.lower(), **vars(event)}, default=str), flush=True),
)
client.work(load=lambda: None, train=train, tasks=options["tasks"])
