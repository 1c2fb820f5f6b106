"""Searches the plan that helps on a log: profile, rivals, race, confirmation, results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import tomli_w

from leaven import rng
from leaven.augmentation import Plan, Step, expand
from leaven.config import SearchConfig, Spec, Variant, resolve_spec
from leaven.errors import DataError, LeavenError, MissingExtra, SpecError
from leaven.experiment.preparation import prepare
from leaven.experiment.ranking_task import compute_best_possible
from leaven.plan_search.budget import TimeBudget
from leaven.plan_search.candidates import Candidate, Rung
from leaven.plan_search.confirmation import confirm_choice
from leaven.plan_search.next_steps import suggest_next_steps
from leaven.plan_search.race import Race, RaceConfig
from leaven.plan_search.ranking_scorer import Origin, RankingScorer, build_origins
from leaven.plan_search.recipe import RecipeContext, choose_recipes
from leaven.plan_search.search_profile import SearchProfile, compute_smallest_lift
from leaven.plan_search.search_result import RivalScore, SearchResult
from leaven.plan_search.search_spec import build_search_spec, configure_search
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import Recommender
from leaven.registry import create_config, find_kind
from leaven.run_folder import RunFolder, create_run, write_json, write_text
from leaven.splits.log_splits import Split

RIVALS = ("popularity", "recent_popularity", "item_knn", "sparse_linear", "time_linear", "ials", "ease")
"""Kinds of the cheap recommenders that always run, where they are installed and fit the catalog;
those of low cost first."""
RIVALS_SHARE = 0.4
"""Share of the budget after which no further cheap recommender starts, so that the race has time."""
BEST_FILE, RESULT_FILE, PAGE_FILE = "best.toml", "auto.json", "auto.html"
CLOSE_SHARE = 0.02
"""Recommenders whose validation score differs by less count as equally good."""
TEST_SHARE = 0.1
"""Share of the budget that is kept for the confirmation and the results."""


def search_split(
    split: Split,
    config: SearchConfig,
    seed: int = 0,
    folder: Path | None = None,
    budget: TimeBudget | None = None,
    on_progress: ProgressCallback = no_progress,
) -> SearchResult:
    """Search on a split log. folder: where trainings are stored, so that a search resumes.

    Raises DataError for a log without validation or test users, or where no recommender can be trained in time.
    """
    for part, name in ((split.valid, "validation"), (split.test, "test")):
        if not len(part):
            raise DataError("the split", f"{name} users", "none", "raise the shares of the split, or use more data")
    budget = budget or TimeBudget(config.minutes * 60)
    scorer = RankingScorer(build_origins(split, config.n_origins), config.metric, seed, folder=folder)
    budget.spent += scorer.spent_seconds
    profile = SearchProfile.from_split(split)
    rivals, scores = _run_rivals(scorer, config, profile, budget, on_progress)
    baseline = rivals[0]
    values = scorer.score(baseline, 0, 1.0).values
    budget.reserve = max(TEST_SHARE * budget.total, 2 * scorer.estimate_seconds(baseline, 1.0))
    smallest = compute_smallest_lift(values, len(split.test))
    is_trained = baseline.recommender.steps(split.train) is not None
    choice = choose_recipes(RecipeContext(profile, baseline, rivals, is_trained), config.recipes)
    own = [Candidate(one.name, baseline.recommender, one.plan, reason="your own plan") for one in config.plans]
    race = Race(
        scorer,
        baseline,
        _build_control(baseline),
        _build_race(config, scorer, [*choice.candidates, *own]),
        budget,
        seed,
    )
    race.on_progress = on_progress
    raced = race.run([*choice.candidates, *own])
    confirmation = None
    if raced.chosen is not None:
        on_progress(0, 0, f"confirming {raced.chosen.name} on test users")
        confirmation = confirm_choice(scorer, split, raced.chosen, baseline, config.n_seeds, config.min_effect)
    result = SearchResult(
        profile, scores, baseline, smallest, choice.left_out, raced, confirmation, config, budget.used
    )
    return replace(result, next_steps=suggest_next_steps(result))


def _build_control(baseline: Candidate) -> Candidate:
    """The baseline on rows that all occur twice."""
    copies = create_config("strategies", "uniform", {"factor": 1})
    plan = Plan([Step(create_config("transforms", "repeat"), copies=copies)])
    return Candidate("repeat", baseline.recommender, plan, reason="control: every real row occurs twice")


def _build_race(config: SearchConfig, scorer: RankingScorer, candidates: Sequence[Candidate]) -> RaceConfig:
    """Rounds of rising effort where optimizer steps are taken; one or two rounds where they are not."""
    train = scorer.origins[0].train
    if any(one.recommender.steps(train) is not None for one in candidates):
        rungs: tuple[Rung, ...] = (Rung(0.1, 1), Rung(0.3, 1), Rung(1.0, 1), Rung(1.0, config.n_seeds))
    elif all(scorer.is_deterministic(one) for one in candidates):
        rungs = (Rung(1.0, 1),)
    else:
        rungs = (Rung(1.0, 1), Rung(1.0, config.n_seeds))
    return RaceConfig(rungs, n_tuned=config.n_tuned)


def _run_rivals(
    scorer: RankingScorer,
    config: SearchConfig,
    profile: SearchProfile,
    budget: TimeBudget,
    on_progress: ProgressCallback,
) -> tuple[list[Candidate], list[RivalScore]]:
    """(rivals that could be trained, the recommender under trial first; scores of all, best first)."""
    named = [config.recommender] if config.recommender is not None else []
    trained: list[tuple[float, Candidate]] = []
    scores: list[RivalScore] = []
    for kind in RIVALS:
        on_progress(0, 0, f"cheap rivals: {kind}")
        try:
            candidate = Candidate(kind, build_rival(kind, profile))
            if trained and not budget.allows(max(one.seconds for one in scores)):
                raise DataError(kind, "time for it", f"{max(budget.left, 0):.0f} seconds", "raise --minutes")
            used = sum(one.seconds for one in scores)  # as stored, so that a resumed search trains the same ones
            if trained and used > RIVALS_SHARE * budget.total:
                got = f"{used:.0f} of {budget.total:.0f} seconds used"
                raise DataError(kind, "time for it that the race does not need", got, "raise --minutes")
            score = scorer.score(candidate, 0, 1.0)
        except MissingExtra as error:
            scores.append(RivalScore(kind, float("nan"), 0.0, f"not installed: pip install 'leaven[{error.extra}]'"))
            continue
        except LeavenError as error:
            scores.append(RivalScore(kind, float("nan"), 0.0, str(error).splitlines()[0]))
            continue
        trained.append((float(score.values.mean()), candidate))
        scores.append(RivalScore(kind, float(score.values.mean()), round(score.seconds, 2)))
    for recommender in named:
        candidate = Candidate(find_kind("recommenders", recommender), recommender)
        score = scorer.score(candidate, 0, 1.0)
        trained = [pair for pair in trained if pair[1].name != candidate.name]
        scores = [one for one in scores if one.name != candidate.name]
        trained.append((float("inf"), candidate))
        scores.append(RivalScore(candidate.name, float(score.values.mean()), round(score.seconds, 2)))
    if not trained:
        notes = "; ".join(f"{one.name}: {one.note}" for one in scores)
        raise DataError("rivals", "one recommender that can be trained on this log", notes, "raise --minutes")
    trained = _put_cheapest_first(trained)
    scores.sort(key=lambda one: (one.note != "", -one.mean))
    return [candidate for _, candidate in trained], scores


def _put_cheapest_first(trained: list[tuple[float, Candidate]]) -> list[tuple[float, Candidate]]:
    """Best first; but of those within 2 % of the best, the cheapest is first: it leaves more time for the race.

    The cost is the place in `RIVALS`, not a measured time, so that a resumed search chooses the same.
    """
    ordered = sorted(trained, key=lambda pair: -pair[0])
    close = [pair for pair in ordered if pair[0] >= (1 - CLOSE_SHARE) * ordered[0][0]]
    cheapest = min(close, key=lambda pair: RIVALS.index(pair[1].name) if pair[1].name in RIVALS else -1)
    return [cheapest, *(pair for pair in ordered if pair is not cheapest)]


def build_rival(kind: str, profile: SearchProfile) -> Recommender:
    """A cheap recommender with its defaults; on a log with a target kind, one that reads the events of that kind alone.

    Raises SpecError for an unknown kind, MissingExtra for one whose library is not installed.
    """
    config: Recommender = create_config("recommenders", kind)
    known = {one.name for one in fields(config)}  # type: ignore[arg-type]
    if not profile.kinds or not profile.target_kind or "kind_weights" not in known:
        return config
    target = profile.kinds.index(profile.target_kind)
    weights = tuple(float(code == target) for code in range(len(profile.kinds)))
    alone = {"target_kind": target, "kind_weights": weights, "own_bonus": 0.0}
    return replace(config, **alone)  # type: ignore[type-var]


def search_files(
    interactions: str | Path,
    items: str | Path | None = None,
    minutes: float | None = None,
    out: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    recommender: Recommender | None = None,
    resume: bool = False,
    target_kind: str = "",
) -> SearchResult:
    """Find which plan helps on a log, like `leaven auto`: `.headline`, `.best`, `.to_json()`, and files in `.folder`.

    interactions, items: paths; or the path of a spec alone. columns: user, item, time -> column, where inference fails.
    minutes: None: those of the spec, or 30. recommender: a config; None: the best cheap one. out: by default
    runs/NAME-auto. target_kind: kind of the events that are recommended; "": guessed for a log with several kinds.

    Raises LeavenError for files that cannot be used; finished trainings stay for `resume`.
    """
    from leaven.progress import show_progress

    paths = [str(path) for path in (interactions, items) if path is not None]
    sketch = build_search_spec(paths, columns, target_kind)
    config = configure_search(sketch.spec, {"minutes": minutes, "recommender": recommender})
    folder = Path(out) if out is not None else Path("runs") / f"{sketch.spec.name}-auto"
    with show_progress() as on_progress:
        on_progress(0, 0, sketch.note or "reading the log")
        return run_search(sketch.spec, config, folder, resume, on_progress)


def run_search(
    spec: Spec, config: SearchConfig, out: Path, resume: bool = False, on_progress: ProgressCallback = no_progress
) -> SearchResult:
    """Search on the files of a spec, and write the results to a folder.

    The folder holds `best.toml` (the spec that repeats the choice), `expanded/` (its rows), `model/` (the trained
    recommender), `auto.json` (all facts) and `auto.html` (the page).

    Raises LeavenError for files or settings that cannot be used; finished trainings stay for `resume`.
    """
    if spec.task != "ranking":
        raise SpecError("task", "'ranking'", repr(spec.task), "compare CTR plans with: leaven run SPEC")
    budget = TimeBudget(config.minutes * 60)
    folder = create_run(out, resume)
    prepared = prepare(spec, folder, on_progress)
    split = prepared.split
    assert isinstance(split, Split)  # the task is ranking
    seed = rng.derive_key(spec.seed, "search")
    result = search_split(split, config, seed, out / "trainings", budget, on_progress)
    best = compute_best_possible(spec.data.interactions, split.test, config.metric)
    result = replace(result, folder=out, best_possible=best)
    return _write_results(result, spec, split, seed, folder, on_progress)


def _write_results(
    result: SearchResult, spec: Spec, split: Split, seed: int, folder: RunFolder, on_progress: ProgressCallback
) -> SearchResult:
    from leaven.plan_search.search_page import render_search

    on_progress(0, 0, "writing the results")
    best, out = result.best, folder.path
    variants = (Variant(best.name, best.plan),) if best.changes_rows else ()
    repeated = replace(spec, recommender=best.recommender, variants=variants)
    write_text(
        out / BEST_FILE, f"# Written by leaven auto: {result.headline}\n" + tomli_w.dumps(resolve_spec(repeated))
    )
    fitted = {} if result.confirmation is None else result.confirmation.fitted
    origin = Origin(split.train, split.valid, split.valid)
    model = fitted.get(best.name) or RankingScorer([origin], result.config.metric, seed).train(best, origin, 0)
    model.save(out / "model")
    rows = expand(split.train, best.plan, seed) if best.changes_rows else split.train
    rows.to_parquet(out / "expanded.parquet")
    facts = result.to_json()
    write_json(out / RESULT_FILE, facts)
    write_text(out / PAGE_FILE, render_search(facts, language=spec.lang))
    return result
