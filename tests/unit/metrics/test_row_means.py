"""Metrics that average one statistic of each row."""

import numpy as np
import pytest

from leaven.metrics.synthetic import row_means
from leaven.metrics.synthetic.protocol import FeaturizedRows, ReferenceData
from leaven.registry import create_config, list_kinds

MEANS = {
    kind: metric
    for kind in list_kinds("synthetic_metrics")
    if isinstance(metric := create_config("synthetic_metrics", kind), row_means.RowMean)
}


def build_sample(statistic: str, values: list[float]) -> FeaturizedRows:
    column = np.zeros((len(values), 1))
    return FeaturizedRows(column, column, column, {statistic: np.array(values)})


NONE = ReferenceData(*[build_sample("none", [0.0])] * 3, (), np.zeros(1, np.int64), np.zeros(1, np.int64))


@pytest.mark.parametrize("kind", MEANS)
def test_the_value_is_the_mean_of_the_rows_that_have_the_statistic(kind: str) -> None:
    metric = MEANS[kind]
    new = build_sample(metric.fact, [0.25, np.nan, 0.75])
    assert metric(new, new, NONE, 1) == 0.5
    assert np.isnan(metric(build_sample(metric.fact, [np.nan]), new, NONE, 1))


@pytest.mark.parametrize("kind", MEANS)
def test_a_mean_is_a_figure_of_one_sample(kind: str) -> None:
    trait = MEANS[kind].trait
    assert trait.is_one_sample
    assert trait.better == "low" or not trait.is_near_zero  # a share near 0 is good when it is low


def test_every_mean_reads_a_statistic_of_its_own() -> None:
    assert len(MEANS) == 12
    assert len({metric.fact for metric in MEANS.values()}) == len(MEANS)
