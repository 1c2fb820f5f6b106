"""A modality is one file and one line of the registry; plans, previews and quality evaluations read its descriptor."""

from pathlib import Path

import numpy as np
import pytest

import leaven
from leaven import registry
from leaven.augmentation import Plan, Step, expand, preview_plan
from leaven.config.build import list_operator_families, map_prefixes
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError
from leaven.modalities import find_item_modality, find_modality, get_modality, list_modalities
from leaven.quality import write_rows_without_copies
from leaven.quality.loading import read_inputs
from leaven.registry import create_config
from unit.modalities.melodies import MELODY, Melodies, Transpose


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.MODALITIES, "melody", "unit.modalities.melodies:MELODY")


def melodies(n: int, seed: int) -> Melodies:
    chance = np.random.default_rng(seed)
    return Melodies.from_pitches(60 + np.cumsum(chance.integers(-9, 10, (n, 6)), axis=1))


def test_a_plan_expands_rows_of_a_fifth_modality() -> None:
    train = melodies(30, 1)
    new = expand(train, Plan([Step(Transpose())]), seed=7)
    synthetic = new.take(new.origin > 0)
    assert len(synthetic) == 30
    moved = synthetic.pitches - train.pitches
    assert (moved == moved[:, :1]).all()
    assert set(np.unique(moved)) <= set(range(1, 6))
    assert synthetic.parents.tolist() == train.row_ids.tolist()


def test_a_preview_shows_rows_of_a_fifth_modality() -> None:
    pairs = preview_plan(Plan([Step(Transpose())]), melodies(30, 1), rows=3)
    assert len(pairs) == 3
    assert all(before.startswith("note ") for pair in pairs for before in pair.before)
    assert all(list(pair.changed) == list(range(6)) for pair in pairs)


def test_a_quality_evaluation_detects_copies_and_shifts_of_a_fifth_modality(tmp_path: Path) -> None:
    real, held = melodies(200, 1), melodies(200, 2)
    metrics = ["frechet", "coverage", "data_copying", "marginals"]
    good = leaven.evaluate_quality(real, held, melodies(200, 3), metrics=metrics)
    assert good.modality == "melody"
    assert {one.kind for one in good.figures} == {"frechet", "coverage", "data_copying"}  # marginals: tables only
    assert good["frechet"].verdict == "as_real"
    assert good.distributions[0].title == "Pitch"
    assert good.neighbors[0].new[0].startswith("note ")
    shifted = Melodies.from_pitches(melodies(200, 3).pitches + 24)
    assert leaven.evaluate_quality(real, held, shifted, metrics=metrics)["frechet"].verdict == "worse"
    copied = melodies(40, 4).concat_with([real.take(np.arange(10))])
    assert leaven.evaluate_quality(real, held, copied, metrics=["coverage"]).n_copies == 10
    file = write_rows_without_copies(read_inputs(real, held, copied), tmp_path)
    assert np.load(file).shape == (40, 6)


def test_held_out_training_rows_of_a_fifth_modality_are_an_error() -> None:
    real = melodies(100, 1)
    with pytest.raises(DataError, match="20 of 60 held-out rows"):
        read_inputs(real, melodies(40, 2).concat_with([real.take(np.arange(20))]), melodies(50, 3))


def test_specs_take_the_operators_of_all_modalities_of_a_task() -> None:
    registered = [one for one in list_modalities() if one is not MELODY]
    families = [family.name for one in registered for family in one.families.all]
    assert len(set(families)) == len(families)
    assert set(families) <= set(registry.FAMILIES)
    assert list_operator_families("ctr") == ("tabular_transforms", "tabular_generators")
    assert map_prefixes() == {
        "text_transforms": "text",
        "text_generators": "text",
        "image_transforms": "images",
        "image_generators": "images",
    }


def test_rows_and_operators_lead_to_their_modality() -> None:
    assert find_modality(Histories.from_lists([[1, 2]], 3)).name == "sequence"
    assert find_modality(melodies(2, 1)) is MELODY
    with pytest.raises(DataError, match="list"):
        find_modality([1, 2])
    brightness = create_config("image_transforms", "brightness")
    assert find_item_modality(brightness) is get_modality("image")
    assert find_item_modality(create_config("transforms", "crop")) is None
    with pytest.raises(SpecError, match="'sequnce'"):
        get_modality("sequnce")
