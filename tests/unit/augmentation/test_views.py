"""Item views: linked by item, independent of other steps, drawn uniformly, and counted."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from leaven.augmentation import Plan, Step, build_catalog_views, build_epoch_rows, expand, write_expansion
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.errors import DataError, GateError, SpecError
from leaven.schedules.progress_schedules import Linear
from leaven.strategies.copy_counts import Random, Uniform
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.text import DeleteWords, Misspell, SwapWords, Units

TITLES = [f"gentle warm soap number {chr(97 + n % 26)}{chr(97 + n // 26)} 250ml" for n in range(200)]
ITEMS = Catalog([f"i{n:03d}" for n in range(200)], {"title": TITLES, "brand": ["Nivea"] * 200})
UNITS = Step(Units(rename_units=False))


def plan(*steps, combine: str = "joint") -> Plan:
    return Plan(steps, combine)


def titles(views, epoch: int = 0, progress: float = 0.0) -> list[str]:
    return list(views(epoch, progress).texts["title"])


def changed_share(texts: list[str]) -> float:
    return float(np.mean([a != b for a, b in zip(texts, TITLES, strict=True)]))


def test_items_are_shown_as_they_are_or_by_one_of_their_views_evenly() -> None:
    views = build_catalog_views(ITEMS, plan(UNITS), seed=1)
    assert set(titles(views)) <= {*TITLES, *(title.replace("250ml", "250 ml") for title in TITLES)}
    assert changed_share(titles(views)) == pytest.approx(1 / 2, abs=0.1)
    twice = build_catalog_views(ITEMS, plan(replace(UNITS, copies=Uniform(2))), seed=1)
    assert changed_share(titles(twice)) == pytest.approx(2 / 3, abs=0.1)


def test_only_named_columns_change_and_the_brand_never_by_itself() -> None:
    seen = build_catalog_views(ITEMS, plan(Step(Misspell())), seed=1)(0, 0.0)
    assert seen.texts["brand"] == ITEMS.texts["brand"]
    with pytest.raises(DataError, match="titel"):
        build_catalog_views(ITEMS, plan(Step(Misspell(), columns=("titel",))), seed=1)


def test_views_of_steps_that_run_once_are_constant_and_those_of_each_epoch_are_not() -> None:
    fixed = build_catalog_views(ITEMS, plan(Step(Misspell())), seed=1)
    texts_of = [set() for _ in TITLES]
    for epoch in range(12):
        for item, text in enumerate(titles(fixed, epoch)):
            texts_of[item].add(text)
    assert max(map(len, texts_of)) == 2
    fresh = build_catalog_views(ITEMS, plan(Step(Misspell(), when="each_epoch")), seed=1)
    several = Counter(len({titles(fresh, epoch)[7] for epoch in range(12)}) for _ in range(1))
    assert max(several) > 2


def test_an_item_has_the_same_view_in_any_catalogue_and_order() -> None:
    few = [150, 3, 77]
    part = Catalog([ITEMS.ids[n] for n in few], {"title": [TITLES[n] for n in few], "brand": ["Nivea"] * 3})
    for step in (Step(SwapWords()), Step(SwapWords(), when="each_epoch"), Step(SwapWords(), mode="in_place", p=0.5)):
        whole = titles(build_catalog_views(ITEMS, plan(step), seed=4), 3)
        assert titles(build_catalog_views(part, plan(step), seed=4), 3) == [whole[n] for n in few]


def test_another_draw_of_training_shows_other_views() -> None:
    step = plan(Step(SwapWords(), when="each_epoch"))
    assert titles(build_catalog_views(ITEMS, step, 4, draw=1)) != titles(build_catalog_views(ITEMS, step, 4, draw=2))


def test_replacing_changes_a_share_of_the_texts_in_place() -> None:
    views = build_catalog_views(ITEMS, plan(replace(UNITS, mode="in_place", p=0.25)), seed=1)
    assert changed_share(titles(views)) == pytest.approx(0.25, abs=0.1)


def test_a_later_layer_reads_views_of_earlier_ones() -> None:
    steps = (UNITS, Step(DeleteWords(share_range=(0.3, 0.3))))
    both = {
        combine: titles(build_catalog_views(ITEMS, plan(*steps, combine=combine), seed=1))
        for combine in ("joint", "layered")
    }

    def layered_twice(texts: list[str]) -> int:
        return sum("250 ml" in text and len(text.split()) < 7 for text in texts)

    assert layered_twice(both["joint"]) == 0
    assert layered_twice(both["layered"]) > 10


def test_strength_follows_the_progress_of_training() -> None:
    step = replace(UNITS, when="each_epoch", mode="in_place", strength=Linear())
    views = build_catalog_views(ITEMS, plan(step), seed=1)
    assert changed_share(titles(views, 1, 0.0)) == 0
    assert changed_share(titles(views, 1, 1.0)) > 0.3


def test_facts_count_views_and_why_texts_stayed() -> None:
    items = Catalog(["a", "b", "c"], {"title": ["soap 250ml", "soap", ""]})
    (fact,) = build_catalog_views(items, plan(replace(UNITS, copies=Uniform(2))), seed=1).describe_steps()
    assert (fact.synthetic, fact.tried, fact.modality, fact.columns) == (6, 6, "text", ("title",))
    assert sum(fact.unchanged.values()) == 4
    with pytest.raises(GateError, match="units"):
        build_catalog_views(items, plan(replace(UNITS, fail_if_unchanged_over=0.5)), seed=1).describe_steps()


def test_views_lie_in_files_by_item(tmp_path) -> None:
    views = build_catalog_views(
        ITEMS, plan(replace(UNITS, copies=Uniform(2)), Step(Misspell(), when="each_epoch")), seed=1
    )
    views.write_files(tmp_path)
    (path,) = tmp_path.iterdir()
    table = pq.read_table(path).to_pydict()
    assert path.name == "01-units.parquet"
    assert table["item"] == [*ITEMS.ids, *ITEMS.ids]
    assert set(table["copy"]) == {0, 1}
    assert table["before"][:200] == TITLES
    assert {a for a, b in zip(table["after"], table["before"], strict=True) if a != b} >= {
        TITLES[0].replace("ml", " ml")
    }


def test_the_gallery_marks_what_is_new() -> None:
    (told,) = build_catalog_views(ITEMS, plan(Step(DeleteWords(share_range=(0.3, 0.3)))), seed=1).sample_views(3)
    assert told.step == "delete words"
    assert len(told.examples) == 3
    for one in told.examples:
        assert any(gone for _, gone in one.before)
        assert "".join(part for part, _ in one.before) in TITLES


def test_a_plan_changes_rows_and_words_together(tmp_path) -> None:
    rows = Histories.from_lists([[1, 2, 3, 4]] * 5, n_items=4)
    both = plan(Step(Crop(), when="each_epoch"), UNITS, Crop())
    made = write_expansion(rows, both, tmp_path, seed=1)
    assert [fact.synthetic for fact in made.steps] == [0, 0, 5]
    assert made.steps[1].modality == "text"
    assert len(made.rows()) == 10
    assert len(build_epoch_rows(rows, made.rows(), both, 1)(0, 0.0)) == 15


def test_where_only_rows_can_come_a_step_on_words_is_no_silent_nothing() -> None:
    with pytest.raises(SpecError, match="steps on rows"):
        expand(Histories.from_lists([[1, 2]], n_items=2), plan(UNITS))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"copies": Random(0.5)}, "copies"),
        ({"copies": Uniform(1.5)}, "copies"),
        ({"weight": 0.5}, "weight"),
        ({"input": "crop"}, "input"),
    ],
)
def test_what_views_cannot_have_is_refused(fields, said) -> None:
    with pytest.raises(SpecError, match=said):
        Step(Units(), **fields)


def test_columns_are_refused_for_steps_on_rows() -> None:
    with pytest.raises(SpecError, match="columns"):
        Step(Crop(), columns=("title",))


def test_a_step_acts_in_its_share_of_training_alone() -> None:
    for mode in ("append", "in_place"):
        step = replace(UNITS, when="each_epoch", during=(0.5, 1.0), mode=mode)
        views = build_catalog_views(ITEMS, plan(step), seed=1)
        assert changed_share(titles(views, 3, 0.2)) == 0
        assert changed_share(titles(views, 3, 0.7)) > 0.3
        assert views.describe_steps()[0].synthetic == 200
    with pytest.raises(SpecError, match="each_epoch"):
        Step(Units(), when="each_round")
