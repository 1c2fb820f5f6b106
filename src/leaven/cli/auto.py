"""The command that searches the plan that helps on the user's files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import output
from leaven.cli.data_commands import Column
from leaven.cli.info import Json
from leaven.translation import Translator, check_language, get_translator

if TYPE_CHECKING:
    from leaven.plan_search import SearchResult, Standing


def find_plan(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Your log, and a table of the items if any; or a spec.")
    ],
    minutes: Annotated[float | None, typer.Option(help="Time budget; by default that of the spec, or 30.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; by default runs/NAME-auto.")] = None,
    user: Column = "",
    item: Column = "",
    time: Column = "",
    target_kind: Annotated[
        str, typer.Option(metavar="KIND", help="Kind of the events to recommend, such as purchase. By default guessed.")
    ] = "",
    recommender: Annotated[str, typer.Option(metavar="KIND", help="Under trial; by default the best cheap one.")] = "",
    recipe: Annotated[
        list[str] | None, typer.Option(help="Recipe to try; repeatable. By default all that apply.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Metric of ranked lists that decides; by default ndcg@10.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted search.")] = False,
    lang: Annotated[str, typer.Option("--lang", help="Language of the answer: en or zh.")] = "",
    json: Json = False,
) -> None:
    """Find which plan helps on your data, and prove it on test users."""
    from leaven.progress import show_progress

    with show_progress() as on_progress:
        from leaven.plan_search.run_search import run_search
        from leaven.plan_search.search_spec import build_search_spec, configure_search
        from leaven.registry import create_config

        sketch = build_search_spec(files, {"user": user, "item": item, "time": time}, target_kind)
        if lang:
            sketch = replace(sketch, spec=replace(sketch.spec, lang=check_language(lang, "--lang")))
        tried = create_config("recommenders", recommender) if recommender else None
        changes = {"minutes": minutes, "metric": metric, "recommender": tried, "recipes": tuple(recipe or ())}
        config = configure_search(sketch.spec, changes)
        if sketch.note:
            output.print_hint(sketch.note)
        result = run_search(sketch.spec, config, out or Path("runs") / f"{sketch.spec.name}-auto", resume, on_progress)
    if json:
        output.print_json(result.to_json())
        return
    translate = get_translator(sketch.spec.lang)
    output.print_results(*format_search(result, translate))
    folder = result.folder or Path()
    output.print_hint(translate("the page: {path}", path=shlex.quote(str(folder / "auto.html"))))
    for step in result.next_steps:
        output.print_hint(translate(step))


def format_search(result: SearchResult, translate: Translator) -> Iterator[Any]:
    """The answer, the cheap rivals, the race and the lists on test users as tables."""
    from leaven.plan_search.search_result import describe_harm
    from leaven.stats.effect import format_percent

    yield translate(result.headline)
    for one in result.harmful:
        yield translate("Harmful: {harm} on validation users.", harm=describe_harm(one))
    yield ""
    metric = result.config.metric
    columns = [translate("recommender"), f">{metric}", f">{translate('seconds')}", ""]
    rows = [
        (one.name, f"{one.mean:.4f}" if not one.note else "–", f"{one.seconds:.1f}", one.note) for one in result.rivals
    ]
    yield output.build_table(columns, rows, translate("1. without augmentation, on validation users"))
    yield ""
    last = {one.name: one for one in result.race.standings}
    columns = [translate("candidate"), *(f">{translate(name)}" for name in ("lift", "95 % interval", "seconds"))]
    columns.append(translate("result"))
    raced = [
        (
            one.name,
            format_percent(one.lift),
            translate("{low} to {high}", low=format_percent(one.low), high=format_percent(one.high)),
            f"{one.seconds:.1f}",
            translate(_describe_standing(one)),
        )
        for one in sorted(last.values(), key=lambda one: (-one.rung, -one.lift))
        if one.name != result.baseline.name
    ]
    if raced:
        baseline = result.baseline.name
        title = translate("2. the race against {baseline}, on validation users", baseline=baseline)
        yield output.build_table(columns, raced, title)
        yield ""
    if result.confirmation is not None:
        columns = ["", f">{metric}", f">{translate('lift')}"]
        yield output.build_table(columns, _list_test_means(result), translate("3. confirmed once, on test users"))
        yield ""


def _describe_standing(standing: Standing) -> str:
    """What became of a candidate, in a few words."""
    if standing.low == standing.high == 0:
        return "changes no list"
    marks = {"leads": "▲ leads", "harms": "▼ harms"}
    return marks.get(standing.status, standing.note or standing.status)


def _list_test_means(result: SearchResult) -> list[tuple[str, str, str]]:
    """Rows of the means on test users: the baseline, the choice, and the best possible where it is known."""
    from leaven.stats.effect import format_percent

    assert result.confirmation is not None
    lift = result.confirmation.lift
    rows = [(f"{result.baseline.name}, data as it is", f"{lift.baseline_mean:.4f}", "")]
    rows.append((lift.name, f"{lift.mean:.4f}", format_percent(lift.lift)))
    if result.best_possible is not None:
        more = format_percent(result.best_possible / lift.baseline_mean - 1)
        rows.append(("truth: ranking by the simulator's own probabilities", f"{result.best_possible:.4f}", more))
    return rows
