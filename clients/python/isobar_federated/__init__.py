"""A client of Isobar's federated runs."""

from .client import Evaluation, FederatedClient, TrainingTask
from .errors import ClientError, RequestError
from .messages import Report, Task
from .model import Model, model_of, read_safetensors, write_safetensors
from .progress import terminal_progress
from .store import FileStore, MemoryStore, Store
from .transport import Backoff

__all__ = [
    "Backoff",
    "ClientError",
    "Evaluation",
    "FederatedClient",
    "FileStore",
    "MemoryStore",
    "Model",
    "Report",
    "RequestError",
    "Store",
    "Task",
    "TrainingTask",
    "model_of",
    "read_safetensors",
    "terminal_progress",
    "write_safetensors",
]
