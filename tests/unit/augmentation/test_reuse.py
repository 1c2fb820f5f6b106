"""Removing a step from an expanded folder: equal bytes to a plan without it, and reuse of all other rows."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from leaven.augmentation import Plan, Step, write_expansion
from leaven.augmentation import expansion as expansion_module
from leaven.augmentation.plan_diff import find_shared_steps, remove_steps, reuse_step_files
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.simulator import Simulator
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Drop, Mask
from leaven.transforms.sequence.windows import Windows


@pytest.fixture(scope="module")
def train() -> Histories:
    world = Simulator(users=60, items=50, days=120, seed=3).build_world()
    return replace(world.histories, catalog=world.catalog())


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch) -> None:
    monkeypatch.setattr(expansion_module, "BLOCK_ROWS", 16)


def digest(folder: Path) -> str:
    files = sorted(folder.glob("*"))
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


JOINT = Plan([Crop(), Mask(), Step(Drop(), name="second crop", input="mask"), Crop()])
LAYERED = Plan([Crop(), Mask(), Windows()], "layered")
IN_PLACE = Plan([Step(Crop(), mode="in_place", p=0.5), Step(Mask(), mode="in_place", p=0.5), Drop()])


@pytest.mark.parametrize(
    ("plan", "gone", "again"),
    [
        (JOINT, ["crop"], []),
        (JOINT, ["crop 2"], []),
        (JOINT, ["mask", "second crop"], []),
        (LAYERED, ["windows"], []),
        (LAYERED, ["mask"], ["windows"]),
        (LAYERED, ["crop"], ["mask", "windows"]),
        (IN_PLACE, ["mask"], ["drop"]),
        (IN_PLACE, ["drop"], []),
    ],
)
def test_only_steps_that_read_the_removed_step_run_again_and_the_bytes_equal_a_plan_without_it(
    train, tmp_path, monkeypatch, plan, gone, again
) -> None:
    less = remove_steps(plan, gone)
    write_expansion(train, plan, tmp_path / "whole", seed=7)
    write_expansion(train, less, tmp_path / "never", seed=7)
    same = reuse_step_files(tmp_path / "whole", plan, tmp_path / "less", less, train)
    learned = []
    fit = expansion_module.fit_step
    monkeypatch.setattr(
        expansion_module,
        "fit_step",
        lambda plan, place, *a: learned.append(plan.named_steps[place - 1].display_name) or fit(plan, place, *a),
    )
    write_expansion(train, less, tmp_path / "less", seed=7)
    assert digest(tmp_path / "less") == digest(tmp_path / "never")
    assert learned == again
    assert len(same) == len(less.named_steps) - len(again)


def test_a_reused_file_survives_the_removal_of_the_old_folder(train, tmp_path) -> None:
    less = remove_steps(JOINT, ["crop"])
    write_expansion(train, JOINT, tmp_path / "whole", seed=7)
    reuse_step_files(tmp_path / "whole", JOINT, tmp_path / "less", less, train)
    before = digest(tmp_path / "less")
    shutil.rmtree(tmp_path / "whole")
    assert digest(tmp_path / "less") == before


def test_a_step_of_other_fields_is_not_the_same_step() -> None:
    old, new = Plan([Crop(), Mask()]), Plan([Crop(keep_range=(0.1, 0.2)), Mask()])
    assert find_shared_steps(old, new) == {2: 2}
    assert (
        find_shared_steps(Plan([Crop(), Mask()], "layered"), Plan([Crop(keep_range=(0.1, 0.2)), Mask()], "layered"))
        == {}
    )


@pytest.mark.parametrize(("names", "said"), [(["corp"], "'crop'"), (["mask"], "'second crop'")])
def test_steps_that_are_not_there_or_are_read_by_name_are_refused(names, said) -> None:
    with pytest.raises(SpecError, match=said):
        remove_steps(JOINT, names)


def test_a_finished_step_learns_nothing_when_its_plan_is_resumed(train, tmp_path, monkeypatch) -> None:
    write_expansion(train, LAYERED, tmp_path, seed=7)
    monkeypatch.setattr(expansion_module, "append_rows", None)
    monkeypatch.setattr(expansion_module, "fit_step", None)
    facts = write_expansion(train, LAYERED, tmp_path, seed=7).steps
    assert [fact.synthetic > 0 for fact in facts] == [True] * 3
