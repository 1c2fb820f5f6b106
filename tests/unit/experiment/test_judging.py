"""Quality of the synthetic rows of each variant: figures, gates and effects."""

import json
from dataclasses import replace

import numpy as np
import pytest
from bench.defects import HistoryLaw

from leaven.augmentation import Plan, Step, expand
from leaven.augmentation.expansion import LazyRows
from leaven.config import Variant
from leaven.datasets.histories import HeldOut
from leaven.errors import GateError
from leaven.experiment.prepared_data import PreparedData
from leaven.experiment.synthetic_quality import QualityContext, add_quality, evaluate_variants
from leaven.experiment.trial import ExpandedVariant
from leaven.facts import ComparisonFacts, DataFacts, EffectFacts, RunFacts, VariantFacts
from leaven.protocols import TrainingContext
from leaven.quality import QualityConfig
from leaven.quality.run_quality import RunQuality
from leaven.registry import create_config
from leaven.run_folder import RunFolder
from leaven.splits.log_splits import Split

QUICK = ("coverage", "copies", "next_rank", "lengths")
TRAIN, UNSEEN = HistoryLaw().rows(150, 1), HistoryLaw().rows(120, 2)
NOBODY = HeldOut(TRAIN.take(np.zeros(0, np.int64)), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(1, np.int64))
ARMS = {
    "baseline": Plan(),
    "repeat": Plan([Step(create_config("transforms", "repeat"))]),
    "crop": Plan([Step(create_config("transforms", "crop"))]),
    "each epoch": Plan([Step(create_config("transforms", "reorder"), mode="in_place", when="each_epoch", p=1.0)]),
}


def evaluate(bench, **wish) -> RunQuality:
    run, prepared, variants = bench
    recommender = create_config("recommenders", "item_knn")
    context = QualityContext(run, prepared, QualityConfig(metrics=QUICK, **wish), recommender, 7, None)
    return evaluate_variants(context, variants, lambda *_: None)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    run = RunFolder(tmp_path_factory.mktemp("run"))
    create_config("recommenders", "item_knn").fit(TRAIN, TrainingContext(key=0)).save(
        run.training_folder("baseline", 1) / "model"
    )
    split = Split(TRAIN, None, NOBODY, NOBODY, {}, UNSEEN)
    prepared = PreparedData(split, None, UNSEEN, DataFacts(), "mark", {})
    arms = [
        ExpandedVariant(Variant(name, plan), LazyRows(expand(TRAIN, plan, 7), plan), name, VariantFacts(name))
        for name, plan in ARMS.items()
    ]
    return run, prepared, arms


@pytest.fixture(scope="module")
def found(bench):
    return evaluate(bench, gates=("max_copies=0.5",))


def test_variants_with_synthetic_or_changed_rows_are_evaluated_and_stored(bench, found) -> None:
    assert list(found.variants) == ["repeat", "crop", "each epoch"]
    figures = {name: {one.kind: one for one in facts.figures} for name, facts in found.measured.items()}
    assert figures["repeat"]["copies"].value == 1.0
    assert figures["each epoch"]["copies"].value < 0.5
    assert figures["crop"]["lengths"].value > figures["crop"]["lengths"].reference
    assert all(set(QUICK) == set(of) for of in figures.values())
    whole = json.loads((bench[0].variant_folder("repeat") / "quality.json").read_text())
    assert len(whole["copies"]) == found.measured["repeat"].n_copies == 150
    assert len(found.measured["repeat"].copies) == 20
    assert whole["setup"]["rows"] == {"real": 150, "held_out": 120, "new": 150}


def test_a_stored_result_is_not_computed_again(bench, found) -> None:
    run, prepared, arms = bench

    class Never(LazyRows):
        def load(self):
            raise AssertionError("rows were loaded again")

    unloaded = [replace(one, rows=Never(TRAIN, one.variant.plan)) for one in arms]
    again = evaluate((run, prepared, unloaded))
    assert again.measured["crop"].figures == found.measured["crop"].figures


def test_gates_apply_to_the_variants_of_the_spec_and_not_to_the_control(bench, found) -> None:
    assert not found.measured["repeat"].gates
    assert found.measured["each epoch"].gates[0].passed
    found.raise_for_gates()
    strict = evaluate(bench, gates=("min_coverage=2",))
    with pytest.raises(GateError, match=r"crop, min_coverage=2: 0\.\d+"):
        strict.raise_for_gates()


def test_without_unseen_users_the_reason_is_reported(bench) -> None:
    run, prepared, arms = bench
    assert "control_share" in evaluate((run, replace(prepared, unseen=None), arms)).skipped
    context = QualityContext(run, prepared, None, create_config("recommenders", "item_knn"), 7, None)
    assert evaluate_variants(context, arms, lambda *_: None) is None


def test_the_effect_is_added_to_the_figures(found) -> None:
    lifts = {"repeat": 0.0, "crop": 0.2, "each epoch": -0.1}
    effects = tuple(EffectFacts(name, "baseline", "ndcg@10", lift=lift) for name, lift in lifts.items())
    whole = add_quality(RunFacts(comparison=ComparisonFacts("ndcg@10", effects=effects)), found)
    quality = RunQuality.from_json(json.loads(json.dumps(whole.quality)))
    assert quality.variants["crop"].effect.lift == 0.2
    assert quality.variants["crop"].facts == found.measured["crop"]
    assert (quality.prediction.n_variants, quality.prediction.figures) == (3, ())
    assert whole.cost.seconds["quality"] == found.seconds
