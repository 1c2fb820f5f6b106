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
    from leaven.plan_search import SearchResult


def find_plan(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Your log, and a table of the items if any; or a spec.")
    ],
    minutes: Annotated[float, typer.Option(help="Time budget.")] = 30.0,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; by default runs/NAME-auto.")] = None,
    user: Column = "",
    item: Column = "",
    time: Column = "",
    recommender: Annotated[str, typer.Option(metavar="KIND", help="Under trial; by default the best cheap one.")] = "",
    recipe: Annotated[
        list[str] | None, typer.Option(help="Recipe to try; repeatable. By default all that apply.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Metric of ranked lists that decides.")] = "ndcg@10",
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted search.")] = False,
    lang: Annotated[str, typer.Option("--lang", help="Language of the answer: en or zh.")] = "",
    json: Json = False,
) -> None:
    """Find which plan helps on your data, and prove it on test users."""
    from leaven.progress import show_progress

    with show_progress() as on_progress:
        from leaven.plan_search.run_search import build_search_spec, run_search
        from leaven.plan_search.search_result import SearchConfig
        from leaven.registry import create_config

        spec = build_search_spec(files, {"user": user, "item": item, "time": time})
        spec = replace(spec, lang=check_language(lang, "--lang")) if lang else spec
        tried = create_config("recommenders", recommender) if recommender else None
        config = SearchConfig(minutes, metric, tried, tuple(recipe or ()), spec.variants)
        result = run_search(spec, config, out or Path("runs") / f"{spec.name}-auto", resume, on_progress)
    if json:
        output.print_json(result.to_json())
        return
    translate = get_translator(spec.lang)
    output.print_results(*format_search(result, translate))
    folder = result.folder or Path()
    output.print_hint(translate("the page: {path}", path=shlex.quote(str(folder / "auto.html"))))
    for step in result.next_steps:
        output.print_hint(translate(step))


def format_search(result: SearchResult, translate: Translator) -> Iterator[Any]:
    """The answer, the cheap rivals, and the race as tables."""
    from leaven.stats.effect import format_percent

    yield translate(result.headline)
    yield ""
    columns = [
        translate("recommender"),
        f">{translate(f'{result.config.metric} on validation')}",
        f">{translate('seconds')}",
        translate("note"),
    ]
    rows = [
        (one.name, f"{one.mean:.4f}" if not one.note else "–", f"{one.seconds:.1f}", one.note) for one in result.rivals
    ]
    yield output.build_table(columns, rows, translate("without augmentation"))
    last = {one.name: one for one in result.race.standings}
    columns = [translate("candidate"), *(f">{translate(name)}" for name in ("lift", "95 % interval", "seconds"))]
    columns.append(translate("result"))
    raced = [
        (
            one.name,
            format_percent(one.lift),
            translate("{low} to {high}", low=format_percent(one.low), high=format_percent(one.high)),
            f"{one.seconds:.1f}",
            translate(one.note or one.status),
        )
        for one in last.values()
        if one.name != result.baseline.name
    ]
    if raced:
        yield output.build_table(
            columns, raced, translate("against {baseline}, on validation users", baseline=result.baseline.name)
        )
