"""Commands about logs: write a spec for one, profile one, simulate one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import output
from leaven.cli.info import Json
from leaven.cli.reading_args import (
    BadLines,
    Comment,
    Encoding,
    Escape,
    Header,
    KeepKinds,
    Layout,
    MinRating,
    Quote,
    Separator,
    SkipRows,
    TimeFormat,
    build_options,
)

if TYPE_CHECKING:
    from leaven.config.draft import DraftSources
    from leaven.ingest import ReadingOptions
    from leaven.simulator import Corruption

Column = Annotated[str, typer.Option(metavar="COLUMN", help="The file's column, where the inferred one is wrong.")]


def write_spec(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Your log, and tables of the items and users if any.")
    ],
    out: Annotated[Path | None, typer.Option(help="The spec file; by default NAME-OF-THE-LOG.toml.")] = None,
    user: Column = "",
    item: Column = "",
    time: Column = "",
    task: Annotated[str, typer.Option(help="ranking, or ctr (click prediction).")] = "ranking",
    label: Annotated[
        str,
        typer.Option(
            metavar="LABEL",
            help="Column of 0 and 1, or 'rating >= 4', of a labelled table; with --task ctr: "
            "condition of the positives of a log.",
        ),
    ] = "",
    time_format: TimeFormat = None,
    separator: Separator = None,
    encoding: Encoding = None,
    quote: Quote = None,
    escape: Escape = None,
    skip_rows: SkipRows = None,
    comment: Comment = None,
    header: Header = None,
    layout: Layout = None,
    on_bad_line: BadLines = "error",
    min_rating: MinRating = None,
    keep_kind: KeepKinds = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing spec.")] = False,
) -> None:
    """Inspect your files, infer columns, write a commented spec."""
    from dataclasses import replace

    from leaven.config import draft
    from leaven.ctr_features.label_expression import LabelExpression

    columns = {"user": user, "item": item, "time": time}
    options = build_options(
        time_format=time_format, separator=separator, encoding=encoding, quote=quote, escape=escape,
        skip_rows=skip_rows, comment=comment, header=header, layout=layout, on_bad_line=on_bad_line,
        min_rating=min_rating, keep_kinds=tuple(keep_kind or ()),
    )  # fmt: skip
    if label and not (task == "ctr" and LabelExpression.is_expression(label)):
        sketch = draft.draft_table_spec(files, label, columns)
    else:
        sketch = replace(draft.draft_log_spec(files, columns, options), sample_label=label)
    target = out or Path(f"{sketch.name}.toml")
    draft.write_draft(sketch, target, force, "ctr" if label else task)
    output.print_results(str(target))
    for line in sketch.notes:
        output.print_hint(line)
    output.print_hint(f"read it, change what is wrong, then: leaven run {shlex.quote(str(target))}")


def profile_log(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="A log (path, folder, glob, URL); its items, its users.")
    ],
    user: Column = "",
    item: Column = "",
    time: Column = "",
    time_format: TimeFormat = None,
    separator: Separator = None,
    encoding: Encoding = None,
    quote: Quote = None,
    escape: Escape = None,
    skip_rows: SkipRows = None,
    comment: Comment = None,
    header: Header = None,
    layout: Layout = None,
    on_bad_line: BadLines = "error",
    min_rating: MinRating = None,
    keep_kind: KeepKinds = None,
    table: Annotated[str | None, typer.Option(help="Table of a database.")] = None,
    json: Json = False,
) -> None:
    """Statistics of a log, and what cleaning would do."""
    from dataclasses import replace

    from leaven.cli.profile_view import format_profile
    from leaven.progress import show_progress

    with show_progress() as on_progress:
        from leaven.profiling.profile import profile_log

        options = build_options(
            time_format=time_format, separator=separator, encoding=encoding, quote=quote, escape=escape,
            skip_rows=skip_rows, comment=comment, header=header, layout=layout, on_bad_line=on_bad_line,
            min_rating=min_rating, keep_kinds=tuple(keep_kind or ()),
        )  # fmt: skip
        sources = _infer_sources(files, {"user": user, "item": item, "time": time}, options)
        on_progress(0, 0, "profiling the log")
        statistics = profile_log(replace(sources.log, table=table), items=sources.items, users=sources.users)
    output.print_json(statistics) if json else output.print_results(*format_profile(statistics))


def _infer_sources(files: list[str], columns: dict[str, str], options: ReadingOptions) -> DraftSources:
    """Configs of the log, its items and its users; the columns of a database are not inferred."""
    from leaven.config import draft
    from leaven.ingest import LogSource

    if len(files) == 1 and draft.is_database(files[0]):
        named = {role: column for role, column in columns.items() if column}
        return draft.DraftSources(LogSource(files[0], named, options))
    return draft.build_sources(draft.draft_log_spec(files, columns, options))


def simulate_log(
    users: Annotated[int, typer.Option(help="Number of users.")] = 2000,
    items: Annotated[int, typer.Option(help="Number of items.")] = 600,
    days: Annotated[int, typer.Option(help="Length of the log in days.")] = 365,
    kind: Annotated[str, typer.Option(help="shop, video, music or social.")] = "shop",
    seed: Annotated[int, typer.Option(help="Seed of all random draws.")] = 7,
    corruption: Annotated[
        list[str] | None, typer.Option(help="typical, or NAME=SHARE such as duplicates=0.02; repeatable.")
    ] = None,
    out: Annotated[Path, typer.Option(help="A new folder.")] = Path("shop"),
    images: Annotated[bool, typer.Option(help="Draw an image of every item.")] = True,
    json: Json = False,
) -> None:
    """Write the files of a simulated log with a known optimum."""
    from leaven.progress import show_progress
    from leaven.simulator import Simulator

    config = Simulator(users, items, days, seed, kind)
    defects = _parse_corruption(corruption or [])
    with show_progress() as on_progress:
        on_progress(0, 0, f"simulating: {kind}")
        world = config.build_world()
        on_progress(0, 0, f"writing {out}")
        facts = world.write_files(out, defects, images)
    if json:
        output.print_json({"folder": out, "facts": facts})
        return
    output.print_results(*_format_counts(facts, out))
    log, table = (shlex.quote(str(out / name)) for name in ("interactions.csv", "items.csv"))
    output.print_hint(f"leaven init {log} {table}")


def _parse_corruption(texts: list[str]) -> Corruption:
    """Shares of corrupted lines from "typical" and NAME=SHARE; later ones win."""
    import dataclasses

    from leaven.errors import SpecError, suggest_name
    from leaven.simulator import Corruption

    shares = Corruption()
    names = [field.name for field in dataclasses.fields(Corruption)]
    for text in texts:
        name, _, share = text.partition("=")
        where = f"--corruption {text}"
        if text == "typical":
            shares = Corruption.typical()
        elif name not in names:
            raise SpecError(where, "a kind of corruption", repr(name), suggest_name(name, [*names, "typical"]))
        else:
            try:
                shares = dataclasses.replace(shares, **{name: float(share)})
            except ValueError:
                raise SpecError(where, "a share", repr(share), f"write {name}=0.02") from None
    return shares


_SIZES = ("users", "items", "events", "lines")


def _format_counts(facts: dict[str, Any], out: Path) -> list[Any]:
    sizes = {name: f"{facts[name]:,}" for name in _SIZES}
    counts = [
        (name.replace("_", " "), f"{count:,}")
        for name, count in facts.items()
        if name not in (*_SIZES, "lines_before_corruption") and count
    ]
    parts: list[Any] = [output.build_pairs({"folder": out, **sizes})]
    return [*parts, "", output.build_table(["corruption", ">count"], counts)] if counts else parts
