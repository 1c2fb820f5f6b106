"""PyTorch data sets and loaders of a plan's rows, for any training loop.

HistoriesDataset   map style: one history per sample, in a new order in every epoch
HistoriesStream    iterable style: batches of histories of similar length, divided among processes
HistoriesLoader    the stream behind a DataLoader, with state_dict and load_state_dict
collate            samples -> Batch, padded with 0; targets are -100 where nothing is predicted
known_batches      histories as batches without targets, for inference

Draws depend on row, step and epoch alone, so the bytes are the same for any number of workers and processes.
"""

from __future__ import annotations

from importlib.util import find_spec

from leaven.errors import MissingExtra

if find_spec("torch") is None:
    raise MissingExtra("torch", "torch")

from leaven.pytorch.batch import IGNORED, PADDING, Batch, HistorySample, collate, iterate_input_batches
from leaven.pytorch.dataset import HistoriesDataset
from leaven.pytorch.stream import HistoriesLoader, HistoriesStream

__all__ = [
    "IGNORED",
    "PADDING",
    "Batch",
    "HistoriesDataset",
    "HistoriesLoader",
    "HistoriesStream",
    "HistorySample",
    "collate",
    "iterate_input_batches",
]
