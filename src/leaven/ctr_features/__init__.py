"""Builds labeled samples for CTR models from a log, or reads them from a table.

sample_log      Events -> Samples: positives from events, negatives from the items on sale, features as of that time
sample_by_time  one log -> training, validation and test samples
read_samples    a labeled CSV, Parquet file or frame -> Samples; read_labeled_table: the same from a config
find_issues     leaks, constant and empty columns of samples
"""

from __future__ import annotations

from leaven.ctr_features.from_log import sample_by_time, sample_log
from leaven.ctr_features.from_table import read_labeled_table, read_samples
from leaven.ctr_features.leak_checks import SampleIssue, find_issues
from leaven.ctr_features.sample_splits import SampleSplit
from leaven.ctr_features.sampling_config import LabeledTable, SamplingConfig

__all__ = [
    "LabeledTable",
    "SampleIssue",
    "SampleSplit",
    "SamplingConfig",
    "find_issues",
    "read_labeled_table",
    "read_samples",
    "sample_by_time",
    "sample_log",
]
