"""A whole search on a small log: results, resume, errors, and the profile behind it."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from leaven.cli.demo import write_shop
from leaven.config import SearchConfig, load_spec, parse_spec, resolve_spec
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError
from leaven.plan_search.candidates import Candidate
from leaven.plan_search.ranking_scorer import RankingScorer, build_origins
from leaven.plan_search.recipe import RecipeContext, choose_recipes
from leaven.plan_search.run_search import run_search, search_split
from leaven.plan_search.search_page import render_search
from leaven.plan_search.search_profile import SearchProfile, compute_smallest_lift, measure_new_targets
from leaven.plan_search.search_spec import build_search_spec, configure_search, guess_target_kind
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
    spec = build_search_spec([str(write_log(folder))]).spec
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


def test_a_shell_and_a_notebook_show_the_answer_and_every_candidate(searched) -> None:
    result = searched[2]
    shown, page = repr(result), result._repr_html_()
    assert result.headline.split(":")[0] in " ".join(shown.split())
    for standing in result.race.standings:
        assert standing.name in " ".join(shown.split())
        assert standing.name in page
    assert "<table" in page


def test_the_table_of_a_spec_sets_the_search_and_options_change_it() -> None:
    spec = parse_spec(
        """
        [data]
        interactions = "log.csv"
        [auto]
        minutes = 7
        metric = "recall@20"
        recommender = "item_knn"
        recipes = ["fusion"]
        [[variant]]
        name = "mine"
        [[variant.step]]
        use = "crop"
        """
    )
    config = configure_search(spec, {"minutes": None, "metric": "", "recipes": ()})
    assert (config.minutes, config.metric, config.recommender) == (7, "recall@20", ItemKnn())
    assert [plan.name for plan in config.plans] == ["mine"]
    assert configure_search(spec, {"minutes": 2.0}).minutes == 2.0
    assert "auto" not in resolve_spec(spec)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("minutes = -1", "auto.minutes"),
        ('metric = "ndgc@10"', "ndcg"),
        ('metric = "coverage@10"', "auto.metric"),
        ("n_seeds = 0", "auto.n_seeds"),
        ("minute = 3", "minutes"),
        ("plans = []", "variant"),
        ("min_effect = 2.0", "auto.min_effect"),
    ],
)
def test_wrong_settings_of_a_search_are_one_error_that_names_the_key(line: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_spec(f'[data]\ninteractions = "log.csv"\n[auto]\n{line}\n')


def test_the_kind_that_is_recommended_is_guessed_by_name_then_by_rarity() -> None:
    assert guess_target_kind({"view": 5, "add_to_cart": 2, "Purchase": 3}) == "Purchase"
    assert guess_target_kind({"click": 9, "save": 1}) == "save"
    assert guess_target_kind({"view": 5}) == ""


def test_a_log_with_several_kinds_gets_a_target_kind_that_is_said(tmp_path) -> None:
    path = tmp_path / "log.csv"
    kinds = ("view", "view", "buy")
    lines = [f"u{n % 7},i{n % 5},{START + n},{kinds[n % 3]}\n" for n in range(60)]
    path.write_text("user,item,time,event_type\n" + "".join(lines))
    guessed = build_search_spec([str(path)])
    assert guessed.spec.split.target_kind == "buy"
    assert "--target-kind" in guessed.note
    named = build_search_spec([str(path)], target_kind="view")
    assert (named.spec.split.target_kind, named.note) == ("view", "")


@pytest.mark.slow
def test_the_demo_finds_what_helps_and_names_what_harms(tmp_path) -> None:
    write_shop(tmp_path / "shop", 7)
    text = (files("leaven") / "demo.toml").read_text(encoding="utf-8")
    (tmp_path / "demo.toml").write_text(text, encoding="utf-8")
    spec = load_spec(tmp_path / "demo.toml")
    result = run_search(spec, configure_search(spec, {}), tmp_path / "search")
    assert result.has_helped
    assert "only cart and purchase" in result.best.name
    assert "similar items in half of each history" in [one.name for one in result.harmful]
    assert result.confirmation is not None
    assert result.best_possible is not None
    assert result.confirmation.lift.mean < result.best_possible


def test_cheap_recommenders_leave_time_for_the_race(split, monkeypatch) -> None:
    monkeypatch.setattr(import_module("leaven.plan_search.run_search"), "RIVALS_SHARE", 0.0)
    result = search_split(split, replace(QUICK, recipes=("recent_popularity",)))
    trained = [rival for rival in result.rivals if not rival.note]
    assert 1 <= len(trained) < len(result.rivals)
    assert any("race does not need" in rival.note for rival in result.rivals)
