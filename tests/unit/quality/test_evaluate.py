"""Quality results: figures with references, reasons for missing figures, gates."""

import builtins
import json
from pathlib import Path

import numpy as np
import pytest
from bench.defects import HISTORIES, HistoryLaw, TableLaw

import leaven
from leaven.cli.quality import format_quality
from leaven.errors import DataError, GateError, SpecError
from leaven.metrics.synthetic import FeaturizedRows, MetricTraits
from leaven.modalities.tabular import TabularRows
from leaven.quality import Figure, Gate, QualityFacts
from leaven.quality.null_reference import compute_tail_p, rate_figure, split_halves

QUICK = ["coverage", "copies", "novel_ngrams", "gaps"]
REAL, HELD = (HistoryLaw().rows(200, key) for key in (1, 2))
COPIES = HISTORIES["copier"](REAL, 200, 3)


def evaluate(new=COPIES, **fields) -> QualityFacts:
    return leaven.evaluate_quality(REAL, HELD, new, **({"metrics": QUICK} | fields))


FOUND = evaluate()


def test_a_copier_is_worse_in_the_memorization_group() -> None:
    assert FOUND.verdicts["memorization"] == "worse"
    copies = FOUND["copies"]
    assert (copies.value, copies.reference, copies.percentile) == (1.0, 0.0, 1.0)
    assert copies.n == min(200, 200 - 200 // 3) // 2
    assert FOUND["gaps"].verdict == "as_real"


def test_the_same_seed_gives_the_same_result_and_another_seed_other_halves() -> None:
    assert evaluate() == FOUND
    assert evaluate(seed=8)["coverage"].value != FOUND["coverage"].value


def test_a_result_is_one_json_file(tmp_path: Path) -> None:
    told = json.loads(FOUND.write(tmp_path / "out").read_text())
    assert {one["kind"] for one in told["figures"]} == set(QUICK)
    assert told["verdicts"] == FOUND.verdicts
    assert told["setup"]["rows"] == {"real": 200, "held_out": 200, "new": 200}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["quality.json"]


def test_the_facts_survive_json() -> None:
    found = evaluate(metrics=[*QUICK, "classifier_auc", "attack_auc", "closest_record"], gates=["min_coverage=2"])
    assert {"separating_features", "own_p"} <= {
        name for one in found.figures for name, v in vars(one.details).items() if v
    }
    assert QualityFacts.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert found.limit_copies(3).n_copies == len(found.copies) == 200


def test_gates_apply_to_values_and_ratios_and_fail_with_exit_code_4() -> None:
    found = evaluate(gates=["min_coverage=0.1", "max_copies=0.05", "max_novel_ngrams_ratio=0.5"])
    assert [one.passed for one in found.gates] == [True, False, True]
    with pytest.raises(GateError, match=r"max_copies=0\.05: 1") as refused:
        found.raise_for_gates()
    assert refused.value.exit_code == 4
    evaluate(gates=["min_coverage=0.1"]).raise_for_gates()


def test_a_missing_figure_passes_no_gate() -> None:
    untimed = [
        leaven.Histories.from_lists([[1, 2, 3, 4 + row % 30] for row in range(part, part + 90)], 130)
        for part in range(3)
    ]
    found = leaven.evaluate_quality(*untimed, metrics=["gaps"], gates=["max_gaps=9"])
    assert "positions in a sequence" in found.skipped_metrics["gaps"]
    assert not found.gates[0].passed
    with pytest.raises(KeyError, match="positions in a sequence"):
        found["gaps"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("min_coverge=1", "coverage"), ("least_coverage=1", "min_ or max_"), ("min_coverage=much", "a number")],
)
def test_a_misspelled_gate_raises_an_error_with_the_nearest(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        evaluate(gates=[text])


def test_too_few_rows_are_reported_per_metric_and_too_few_held_out_rows_raise_an_error() -> None:
    found = evaluate(COPIES.take(np.arange(10)))
    assert not found.figures
    assert "there are 10" in found.skipped_metrics["coverage"]
    with pytest.raises(DataError, match="at least 30 rows"):
        leaven.evaluate_quality(REAL, HELD.take(np.arange(20)), COPIES)


def test_without_scikit_learn_the_classifier_is_skipped_and_the_extra_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def absent(name: str, *rest: object) -> object:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    assert "leaven[quality]" in evaluate(metrics=["classifier_auc"]).skipped_metrics["classifier_auc"]


def test_constant_columns_and_missing_values_of_a_table_are_reported() -> None:
    def table(key: int) -> TabularRows:
        rows = TableLaw().rows(160, key)
        gappy = np.where(np.arange(160) % 7 == key, np.nan, rows.columns["x0"])
        return TabularRows({**rows.columns, "x0": gappy, "same": np.ones(160), "word": np.full(160, "a")})

    found = leaven.evaluate_quality(table(1), table(2), table(3), metrics=["marginals", "pairs", "indd"])
    assert found.setup.constant_columns == ("same", "word")
    assert len(found.figures) == 3
    assert all(np.isfinite([one.value, one.reference]).all() for one in found.figures)


def test_halves_are_disjoint_and_of_equal_size() -> None:
    points = np.arange(41.0)[:, None]
    pool = FeaturizedRows(points, points, points, {})
    for deal in split_halves(pool, pool, 20, 1):
        assert len(deal.real) == len(deal.other) == len(deal.new) == 20
        assert not np.intersect1d(deal.real.points, deal.other.points).size


def test_the_tail_counts_halves_at_least_as_extreme() -> None:
    chance = np.arange(20.0)
    assert compute_tail_p(np.array([30.0]), chance, MetricTraits("fidelity", "low")) == pytest.approx(1 / 21)
    assert compute_tail_p(np.array([30.0]), chance, MetricTraits("fidelity", "high")) == pytest.approx(21 / 21)
    assert compute_tail_p(np.array([-1.0]), chance, MetricTraits("fidelity", "high")) == pytest.approx(1 / 21)
    assert compute_tail_p(np.array([-1.0]), chance, MetricTraits("fidelity", "real")) == pytest.approx(1 / 21)


def test_verdicts_follow_rejection_and_distance() -> None:
    trait = MetricTraits("fidelity", "low", tolerance=0.1)
    assert rate_figure(0.9, 0.5, 0.2, trait) == "as_real"
    assert rate_figure(0.55, 0.5, 0.04, trait) == "close"
    assert rate_figure(0.9, 0.5, 0.04, trait) == "worse"
    assert rate_figure(0.9, 0.5, 0.04, MetricTraits("fidelity", "low", is_relative=True, tolerance=1.0)) == "close"
    assert rate_figure(0.9, 0.0, 0.04, MetricTraits("fidelity", "low", is_relative=True)) == "worse"
    assert rate_figure(0.9, 0.5, 0.04, MetricTraits("privacy", "real", is_sanity_check=True)) == "check"


def test_a_gate_prints_as_its_source_text() -> None:
    for text in ("min_coverage=0.8", "max_frechet_ratio=3"):
        assert str(Gate.parse(text)) == text


def test_the_screen_shows_verdicts_references_and_what_was_skipped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from leaven.cli import output

    monkeypatch.setenv("COLUMNS", "100")
    found = evaluate(gates=["max_copies=0"], metrics=[*QUICK, "closest_record"])
    output.print_results(*format_quality(found))
    out = capsys.readouterr().out
    assert "○ worse" in out
    assert "● as real" in out
    assert "check only" in out
    assert "FAILED  max_copies=0" in out
    assert len(out.splitlines()) < 25
    assert max(map(len, out.splitlines())) <= 100


def test_every_figure_is_typed() -> None:
    assert all(isinstance(one, Figure) for one in FOUND.figures)
    assert FOUND["coverage"].ratio == pytest.approx(FOUND["coverage"].value / FOUND["coverage"].reference)
