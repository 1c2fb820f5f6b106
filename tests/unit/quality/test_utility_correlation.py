"""Rank correlation of figures with effects, and the coverage of its interval."""

import numpy as np
import pytest

from leaven.quality import Figure, QualityFacts
from leaven.quality.quality_facts import EvaluationSetup
from leaven.quality.utility_correlation import (
    UtilityCorrelation,
    compute_correlation_interval,
    correlate_with_effects,
    score_figure,
    spearman_correlation,
)


def figure(value: float, better: str = "low") -> Figure:
    return Figure("frechet", "fidelity", "", better, value, (value, value), 9, 0.5, (0.4, 0.6), 0.5, 0.5, "close")


def quality(value: float, better: str = "low") -> QualityFacts:
    return QualityFacts("sequence", EvaluationSetup(7, 20), (figure(value, better),))


def test_the_figure_with_the_ranking_of_the_lifts_comes_first() -> None:
    values = {"a": 0.1, "b": 0.3, "c": 0.2, "d": 0.9, "e": 0.7}
    lifts = {"a": 0.5, "c": 0.4, "b": 0.3, "e": 0.2, "d": -0.1}
    found = correlate_with_effects({name: quality(value) for name, value in values.items()}, lifts)
    assert found.n_variants == 5
    assert found.figures[0].rho == 1.0
    assert 0 < found.figures[0].low < found.figures[0].high < 1
    assert UtilityCorrelation.from_json(found.to_json()) == found
    turned = correlate_with_effects({name: quality(value, "high") for name, value in values.items()}, lifts)
    assert turned.figures[0].rho == -1.0


def test_a_figure_with_a_real_reference_is_better_when_nearer() -> None:
    assert score_figure(figure(0.7, "real")) == pytest.approx(-0.2)
    assert score_figure(figure(0.3, "real")) == pytest.approx(-0.2)


def test_three_variants_and_constant_figures_give_no_correlation() -> None:
    assert correlate_with_effects({name: quality(1.0) for name in "abc"}, dict.fromkeys("abc", 0.1)).figures == ()
    assert correlate_with_effects({name: quality(1.0) for name in "abcd"}, dict.fromkeys("abcd", 0.1)).figures == ()


def test_spearman_agrees_with_scipy_and_the_interval_has_its_coverage() -> None:
    from scipy.stats import spearmanr

    chance = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        a = chance.standard_normal(12)
        b = 0.5 * a + chance.standard_normal(12)
        assert spearman_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
        low, high = compute_correlation_interval(spearman_correlation(a, b), 12)
        held += low < 0.43 < high  # Spearman's rho of a normal law with correlation 0.447
    assert held >= 180
