"""How does a training loop that leaven does not own learn from a plan's rows?

HistoriesDataset   map style: one history a sample, in an order of its own in every epoch
HistoriesStream    iterable style: whole batches of histories of like length, its share in each of several processes
HistoriesLoader    the stream behind a DataLoader that knows how far the loop is: state_dict, load_state_dict
collate            samples -> Batch, padded with 0; targets are -100 where there is nothing to predict
known_batches      histories as batches without targets, to say what comes next

Every draw belongs to a row, a step and an epoch, so the bytes are the same for any number of workers and processes.
"""

from __future__ import annotations

from importlib.util import find_spec

from leaven.errors import MissingExtra

if find_spec("torch") is None:
    raise MissingExtra("torch", "torch")

from leaven.pytorch.batch import IGNORED, PADDING, Batch, Sample, collate, known_batches
from leaven.pytorch.dataset import HistoriesDataset
from leaven.pytorch.stream import HistoriesLoader, HistoriesStream

__all__ = [
    "IGNORED",
    "PADDING",
    "Batch",
    "HistoriesDataset",
    "HistoriesLoader",
    "HistoriesStream",
    "Sample",
    "collate",
    "known_batches",
]
