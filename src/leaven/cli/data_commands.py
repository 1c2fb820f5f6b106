"""What do files hold, and what would a simulated world hold?"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from leaven.cli import output
from leaven.cli.info import Json

Column = Annotated[str, typer.Option(metavar="COLUMN", help="The file's column, where the guess is wrong.")]


def init(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Your log, and a table of the items if any.")],
    out: Annotated[Path | None, typer.Option(help="Where the spec goes; by default NAME-OF-THE-LOG.toml.")] = None,
    user: Column = "",
    item: Column = "",
    time: Column = "",
    task: Annotated[str, typer.Option(help="ranking, or clicks: which rows are positives?")] = "ranking",
    label: Annotated[str, typer.Option(metavar="COLUMN", help="Of 0 and 1, where FILE is a labelled table.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over a spec that is there.")] = False,
) -> None:
    """Look at your files, guess columns, write a commented spec."""
    from leaven.config import draft as specfile

    given = {"user": user, "item": item, "time": time}
    draft = specfile.look_at_table(files, label, given) if label else specfile.look(files, given)
    target = out or Path(f"{draft.name}.toml")
    specfile.write(draft, target, force, "clicks" if label else task)
    output.show(str(target))
    for line in draft.told:
        output.hint(line)
    output.hint(f"read it, change what is wrong, then: leaven run {shlex.quote(str(target))}")


def profile(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="A log (path, folder, glob, URL); its items.")],
    user: Column = "",
    item: Column = "",
    time: Column = "",
    time_format: Annotated[str | None, typer.Option(help="Such as %d/%m/%Y, or one of s, ms, us, ns.")] = None,
    separator: Annotated[str | None, typer.Option(help="Between the fields; guessed.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of the file; guessed.")] = None,
    table: Annotated[str | None, typer.Option(help="Of a database.")] = None,
    json: Json = False,
) -> None:
    """Health of a log: what it holds, and what cleaning would do."""
    from dataclasses import replace

    from leaven.cli.profile_view import profiled
    from leaven.progress import shown

    with shown() as tell:
        from leaven.profiling.profile import profile

        log, items = _wishes(files, {"user": user, "item": item, "time": time})
        log = replace(log, time_format=time_format, separator=separator, encoding=encoding, table=table)
        tell(0, 0, "looking at the log")
        found = profile(log, items=items)
    output.as_json(found) if json else output.show(*profiled(found))


def _wishes(files: list[str], given: dict[str, str]) -> tuple[Any, Any]:
    """The log and its items; a database is taken as it is named."""
    from leaven.config import draft as specfile
    from leaven.ingest import Source

    if len(files) == 1 and specfile.is_database(files[0]):
        return Source(files[0], {word: column for word, column in given.items() if column}), None
    return specfile.wishes(specfile.look(files, given))


def shop(
    users: Annotated[int, typer.Option(help="How many users.")] = 2000,
    items: Annotated[int, typer.Option(help="How many items.")] = 600,
    days: Annotated[int, typer.Option(help="How long they are watched.")] = 365,
    kind: Annotated[str, typer.Option(help="shop, video, music or social.")] = "shop",
    seed: Annotated[int, typer.Option(help="Everything follows from it.")] = 7,
    dirt: Annotated[
        list[str] | None, typer.Option(help="typical, or NAME=SHARE such as duplicates=0.02; may be given often.")
    ] = None,
    out: Annotated[Path, typer.Option(help="A new folder.")] = Path("shop"),
    pictures: Annotated[bool, typer.Option(help="Draw a picture of every item.")] = True,
    json: Json = False,
) -> None:
    """Write the files of a simulated world whose truth is known."""
    from leaven.progress import shown
    from leaven.simulator import Shop

    wish = Shop(users, items, days, seed, kind)
    planted = _dirt(dirt or [])
    with shown() as tell:
        tell(0, 0, f"opening the {kind}")
        world = wish.open()
        tell(0, 0, f"writing {out}")
        facts = world.write(out, planted, pictures)
    if json:
        output.as_json({"folder": out, "facts": facts})
        return
    output.show(*_planted(facts, out))
    log, table = (shlex.quote(str(out / name)) for name in ("interactions.csv", "items.csv"))
    output.hint(f"leaven init {log} {table}")


def _dirt(wishes: list[str]) -> Any:
    """Dirt from "typical" and NAME=SHARE; later ones win."""
    import dataclasses

    from leaven.errors import SpecError, nearest
    from leaven.simulator import Dirt

    found = Dirt()
    names = [one.name for one in dataclasses.fields(Dirt)]
    for wish in wishes:
        name, _, share = wish.partition("=")
        if wish == "typical":
            found = Dirt.typical()
        elif name not in names:
            raise SpecError(f"--dirt {wish}", "a kind of dirt", repr(name), nearest(name, [*names, "typical"]))
        else:
            try:
                found = dataclasses.replace(found, **{name: float(share)})
            except ValueError:
                raise SpecError(f"--dirt {wish}", "a share", repr(share), f"write {name}=0.02") from None
    return found


_SIZES = ("users", "items", "events", "lines")


def _planted(facts: dict[str, Any], out: Path) -> list[Any]:
    sizes = {name: f"{facts[name]:,}" for name in _SIZES}
    dirt = [
        (name.replace("_", " "), f"{count:,}")
        for name, count in facts.items()
        if name not in (*_SIZES, "lines_before_corruption") and count
    ]
    parts: list[Any] = [output.pairs({"folder": out, **sizes})]
    return [*parts, "", output.table(["dirt planted", ">how much"], dirt)] if dirt else parts
