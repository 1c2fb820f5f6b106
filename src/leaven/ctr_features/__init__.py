"""How does a log become a table of labelled rows, and how is a ready one read?

sample        Events -> Samples: positives from events, negatives from what was on sale then, features as of then
by_time       one log -> samples to learn from, to choose on, and to judge by
read_samples  a ready labelled CSV, Parquet file or frame -> Samples; read_labelled: the same from a wish
look          what is odd about these samples, before a model learns it
"""

from __future__ import annotations

from leaven.ctr_features.from_log import by_time, sample
from leaven.ctr_features.from_table import read_labelled, read_samples
from leaven.ctr_features.leak_checks import Oddity, look
from leaven.ctr_features.sample_splits import SampleParts
from leaven.ctr_features.sampling_config import Labelled, Sampling

__all__ = [
    "Labelled",
    "Oddity",
    "SampleParts",
    "Sampling",
    "by_time",
    "look",
    "read_labelled",
    "read_samples",
    "sample",
]
