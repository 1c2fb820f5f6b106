"""Quality of the synthetic rows of each variant: figures, gates and effects."""

import json
from dataclasses import replace

import numpy as np
import pytest
from bench.defects import HistoryLaw

from leaven.augmentation import Plan, Step, expand
from leaven.augmentation.expansion import LazyRows
from leaven.config import Spec, Variant
from leaven.datasets.histories import HeldOut
from leaven.errors import GateError
from leaven.experiment.preparation import Prepared
from leaven.experiment.synthetic_quality import add_effects, check_gates, evaluate_variants
from leaven.experiment.trial import ExpandedVariant
from leaven.ingest import LogSource
from leaven.protocols import TrainingContext
from leaven.quality import QualityConfig
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


def spec_of(**wish) -> Spec:
    recommender = create_config("recommenders", "item_knn")
    return Spec("small", LogSource("log.csv"), recommender=recommender, quality=QualityConfig(metrics=QUICK, **wish))


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    run = RunFolder(tmp_path_factory.mktemp("run"))
    create_config("recommenders", "item_knn").fit(TRAIN, TrainingContext(key=0)).save(
        run.training_folder("baseline", 1) / "model"
    )
    prepared = Prepared(Split(TRAIN, None, NOBODY, NOBODY, {}, UNSEEN), {}, "mark", {})
    arms = [
        ExpandedVariant(Variant(name, plan), LazyRows(expand(TRAIN, plan, 7), plan), name, {})
        for name, plan in ARMS.items()
    ]
    return run, prepared, arms


@pytest.fixture(scope="module")
def found(bench):
    run, prepared, arms = bench
    return evaluate_variants(spec_of(gates=("max_copies=0.5",)), prepared, run, arms, lambda *_: None)


def test_variants_with_synthetic_or_changed_rows_are_evaluated_and_stored(bench, found) -> None:
    assert list(found["arms"]) == ["repeat", "crop", "each epoch"]
    figures = {name: {one["kind"]: one for one in arm["figures"]} for name, arm in found["arms"].items()}
    assert figures["repeat"]["copies"]["value"] == 1.0
    assert figures["each epoch"]["copies"]["value"] < 0.5
    assert figures["crop"]["lengths"]["value"] > figures["crop"]["lengths"]["reference"]
    assert all(set(QUICK) == set(of) for of in figures.values())
    whole = json.loads((bench[0].variant_folder("repeat") / "quality.json").read_text())
    assert len(whole["copies"]) == found["arms"]["repeat"]["n_copies"] == 150
    assert len(found["arms"]["repeat"]["copies"]) == 20
    assert whole["setup"]["rows"] == {"real": 150, "held_out": 120, "new": 150}


def test_a_stored_result_is_not_computed_again(bench, found) -> None:
    run, prepared, arms = bench

    class Never(LazyRows):
        def load(self):
            raise AssertionError("rows were loaded again")

    unloaded = [replace(one, rows=Never(TRAIN, one.variant.plan)) for one in arms]
    again = evaluate_variants(spec_of(), prepared, run, unloaded, lambda *_: None)
    assert again["arms"]["crop"]["figures"] == found["arms"]["crop"]["figures"]


def test_gates_apply_to_the_variants_of_the_spec_and_not_to_the_control(bench, found) -> None:
    assert "gates" not in found["arms"]["repeat"] or not found["arms"]["repeat"]["gates"]
    assert found["arms"]["each epoch"]["gates"][0]["passed"]
    check_gates(found)
    strict = evaluate_variants(spec_of(gates=("min_coverage=2",)), *[bench[1], bench[0]], bench[2], lambda *_: None)
    with pytest.raises(GateError, match=r"crop, min_coverage=2: 0\.\d+"):
        check_gates(strict)


def test_without_unseen_users_the_reason_is_reported(bench) -> None:
    run, prepared, arms = bench
    without = replace(prepared, split=replace(prepared.split, control_histories=None))
    assert "control_share" in evaluate_variants(spec_of(), without, run, arms, lambda *_: None)["skipped"]
    assert evaluate_variants(replace(spec_of(), quality=None), prepared, run, arms, lambda *_: None) == {}


def test_the_effect_is_added_to_the_figures(found) -> None:
    effects = [
        {"arm": name, "metric": "ndcg@10", "lift": lift, "verdict": "helped"}
        for name, lift in (("repeat", 0.0), ("crop", 0.2), ("each epoch", -0.1))
    ]
    whole = add_effects(found, effects)
    assert whole["arms"]["crop"]["useful"]["lift"] == 0.2
    assert whole["prediction"] == {"n_variants": 3, "min_variants": 4, "figures": []}
