"""A whole search on a small log: results, resume, errors, and the profile behind it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leaven.config import load_spec
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError
from leaven.plan_search.candidates import Candidate
from leaven.plan_search.ranking_scorer import RankingScorer, build_origins
from leaven.plan_search.recipe import RecipeContext, choose_recipes
from leaven.plan_search.run_search import build_search_spec, run_search, search_split
from leaven.plan_search.search_page import render_search
from leaven.plan_search.search_profile import SearchProfile, compute_smallest_lift, measure_new_targets
from leaven.plan_search.search_result import SearchConfig
from leaven.recommenders.item_knn import ItemKnn
from leaven.splits import log_splits

START, DAY = 1_600_000_000, 86_400
QUICK = SearchConfig(minutes=5, recipes=("fusion", "filtered_generator"), n_tuned=0, n_origins=2, n_seeds=2)


def log_rows(users: int = 1200, items: int = 40, key: int = 1) -> list[tuple[str, str, int]]:
    """Events of users who mostly go on to the next item of a cycle."""
    rng = np.random.default_rng(key)
    rows = []
    for user in range(users):
        item, time = int(rng.integers(items)), START + int(rng.integers(200 * DAY))
        for _ in range(int(rng.integers(4, 10))):
            rows.append((f"u{user}", f"i{item:02d}", time))
            item = (item + 1) % items if rng.random() < 0.7 else int(rng.integers(items))
            time += int(rng.integers(DAY, 20 * DAY))
    return rows


def write_log(folder: Path) -> Path:
    path = folder / "log.csv"
    path.write_text("user,item,time\n" + "".join(f"{user},{item},{time}\n" for user, item, time in log_rows()))
    return path


def histories() -> Histories:
    by_user: dict[str, list[tuple[int, int]]] = {}
    for user, item, time in log_rows():
        by_user.setdefault(user, []).append((time, int(item[1:]) + 1))
    rows = [sorted(one) for one in by_user.values()]
    return Histories.from_lists([[i for _, i in row] for row in rows], 40, [[t for t, _ in row] for row in rows])


@pytest.fixture(scope="module")
def split():
    return log_splits.split(histories(), "time", 1)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    spec = build_search_spec([str(write_log(folder))])
    return folder, spec, run_search(spec, QUICK, folder / "run")


def test_the_folder_holds_a_spec_that_repeats_the_choice_and_a_page(searched) -> None:
    folder, _, result = searched
    again = load_spec(folder / "run/best.toml")
    assert again.recommender == result.best.recommender
    assert [variant.name for variant in again.variants] == ([result.best.name] if result.best.changes_rows else [])
    facts = json.loads((folder / "run/auto.json").read_text())
    assert facts["headline"] in (folder / "run/auto.html").read_text().replace("&#34;", '"')
    assert (folder / "run/model").is_dir()
    assert (folder / "run/expanded.parquet").is_file()


def test_a_resumed_search_trains_nothing_again_and_chooses_the_same(searched) -> None:
    folder, spec, result = searched
    trained = (folder / "run/trainings/trainings.jsonl").read_text()
    again = run_search(spec, QUICK, folder / "run", resume=True)
    assert (folder / "run/trainings/trainings.jsonl").read_text() == trained
    assert again.headline == result.headline


def test_a_search_killed_in_a_training_goes_on_with_the_stored_ones(searched, tmp_path) -> None:
    folder, spec, result = searched
    lines = (folder / "run/trainings/trainings.jsonl").read_text().splitlines(keepends=True)
    (folder / "run/trainings/trainings.jsonl").write_text("".join(lines[:2]) + '{"key": "half')
    again = run_search(spec, QUICK, folder / "run", resume=True)
    assert again.headline == result.headline


def test_cheap_rivals_are_listed_best_first(searched) -> None:
    means = [rival.mean for rival in searched[2].rivals if not rival.note]
    assert len(means) >= 2
    assert means == sorted(means, reverse=True)
    under_trial = next(rival.mean for rival in searched[2].rivals if rival.name == searched[2].baseline.name)
    assert under_trial >= 0.98 * means[0]


def test_the_page_has_no_script_and_escapes_names(searched) -> None:
    facts = searched[2].to_json() | {"next_steps": ["<script>alert(1)</script>"]}
    page = render_search(facts)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_named_recommender_is_the_one_under_trial(split) -> None:
    tried = ItemKnn(max_events=2)
    result = search_split(split, replace(QUICK, recommender=tried, recipes=("fusion",)))
    assert result.baseline.recommender == tried


def test_recipes_that_do_not_apply_say_why(split) -> None:
    base = Candidate("item_knn", ItemKnn())
    choice = choose_recipes(RecipeContext(SearchProfile.from_split(split), base, [base]), ("fusion", "subset_drop"))
    assert not choice.candidates
    assert choice.left_out["fusion"] == "there is no second recommender"
    assert "optimizer steps" in choice.left_out["subset_drop"]


def test_an_unknown_recipe_is_an_error_that_names_the_nearest(split) -> None:
    base = Candidate("item_knn", ItemKnn())
    with pytest.raises(SpecError, match="fusion"):
        choose_recipes(RecipeContext(SearchProfile.from_split(split), base, [base]), ("fusoin",))


def test_a_split_without_test_users_is_refused(split) -> None:
    with pytest.raises(DataError, match="test users"):
        search_split(replace(split, test=split.test.take([])), QUICK)


def test_earlier_validation_periods_lie_inside_the_training_histories(split) -> None:
    origins = build_origins(split, 3)
    assert len(origins) >= 2
    for earlier, later in zip(origins[1:], origins, strict=False):
        assert earlier.held_out.target_times.max() <= later.train.times.max()
        assert earlier.train.times.max() < earlier.held_out.target_times.min()


def test_new_targets_are_those_without_an_event_in_training() -> None:
    train = Histories.from_lists([[1, 2]], n_items=4)
    held_out = HeldOut(train, np.array([2, 3], np.int32), np.array([9, 9]), np.array([0, 2]))
    assert measure_new_targets(train, held_out) == 0.5


def test_the_smallest_lift_halves_with_four_times_the_users() -> None:
    values = np.tile([0.0, 1.0], 500)
    assert compute_smallest_lift(values, 4000) == pytest.approx(compute_smallest_lift(values, 1000) / 2)


def test_scores_are_stored_and_read_again(split, tmp_path) -> None:
    candidate = Candidate("item_knn", ItemKnn())
    first = RankingScorer(build_origins(split, 1), folder=tmp_path)
    values = first.score(candidate, 0, 1.0).values
    second = RankingScorer(build_origins(split, 1), folder=tmp_path)
    np.testing.assert_array_equal(second.score(candidate, 0, 1.0).values, values)
    assert second.spent_seconds > 0


def test_the_profile_sees_texts_and_a_clock(split) -> None:
    catalog = Catalog([f"i{n}" for n in range(40)], {"title": ["soap"] * 40})
    profile = SearchProfile.from_split(replace(split, train=replace(split.train, catalog=catalog)))
    assert profile.has_text
    assert profile.has_clock
    assert profile.days > 100
