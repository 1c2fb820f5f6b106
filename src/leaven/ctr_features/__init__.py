"""Builds labeled samples for CTR models from a log, or reads them from a table.

sample_log      Events -> Samples: positives from events, negatives from the items on sale, features as of that time
sample_by_time  one log -> training, validation and test samples
read_samples    a labeled CSV, Parquet file or frame -> Samples; read_labeled_table: the same from a config
find_issues     leaks, constant and empty columns of samples
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
