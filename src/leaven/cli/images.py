"""What would an operator on pictures make of a folder, or of the pictures that a table of items names?"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import output
from leaven.cli.info import Json

if TYPE_CHECKING:
    from leaven.protocols import ImageTransform


def pictures(
    source: Annotated[Path, typer.Argument(metavar="FOLDER|ITEMS", help="Pictures, or a table that names them.")],
    operator: Annotated[
        list[str] | None, typer.Option(help="A kind: see `leaven list image_transforms`; may be given often; or all.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The page (.html), or one sheet of pictures (.png).")] = Path(
        "pictures.html"
    ),
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A field of the operator, as in a spec.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many pictures are shown.")] = 8,
    copies: Annotated[int, typer.Option(min=1, help="How many views of each.")] = 5,
    size: Annotated[int, typer.Option(min=8, help="Pixels along each side.")] = 112,
    seed: Annotated[int, typer.Option(help="The same seed, the same pictures.")] = 7,
    strength: Annotated[float, typer.Option(min=0, max=1, help="How much, from 0 to 1.")] = 1.0,
    image: Annotated[
        str, typer.Option(metavar="COLUMN", help="The pictures' files; by default image, or the first like it.")
    ] = "",
    save: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write all views as JPEG, and views.csv with their origin.")
    ] = None,
    json: Json = False,
) -> None:
    """Pictures of your items before and after, on a page; what stayed and what could not be read is counted."""
    from leaven.progress import shown

    with shown() as tell:
        from leaven.cli.catalog_args import pictures_of
        from leaven.registry import kind_of
        from leaven.report import gallery
        from leaven.transforms.image.image_folder import save_views
        from leaven.transforms.image.image_preview import Show, previewed

        wishes = [_wish(kind, set_ or []) for kind in _kinds(operator or ["chain"])]
        tell(0, 0, f"reading {source}")
        paths, catalog, names = pictures_of(source, image)
        show = Show(rows, copies, (size, size), seed, strength)
        found = [previewed(paths, wish, show, catalog, names, tell) for wish in wishes]
        gallery.write(found, out)
        for wish, target in ((wish, save) for wish in wishes if save):
            save_views(paths, wish, show, target / kind_of("image_transforms", wish), catalog, names, tell)
    if json:
        output.as_json([_facts(one) for one in found])
        return
    for one in found:
        counts = {"pictures": one.pictures, "changed": one.changed, **one.unchanged, **_unread(one.unread)}
        lines = ((what, f"{count:,}") for what, count in counts.items())
        output.show(output.table([one.operator, ">pictures"], lines), "")
    output.show(str(out), *([str(save)] if save else []))


def _kinds(asked: list[str]) -> list[str]:
    from leaven.registry import kinds

    return list(kinds("image_transforms")) if asked == ["all"] else asked


def _wish(kind: str, changes: list[str]) -> ImageTransform:
    """A wish of a kind with these fields.

    Raises SpecError for an unknown kind or field, and a value that cannot be.
    """
    from leaven.config.build import build
    from leaven.registry import found

    made: ImageTransform = build(
        found("image_transforms", kind), dict(map(_pair, changes)), lambda key: f"{kind}.{key}"
    )
    return made


def _pair(change: str) -> tuple[str, Any]:
    name, _, value = change.partition("=")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def _unread(unread: Mapping[str, list[str]]) -> dict[str, int]:
    return {f"not read: {why}": len(files) for why, files in unread.items()}


def _facts(one: Any) -> dict[str, Any]:
    facts = {"operator": one.operator, "pictures": one.pictures, "changed": one.changed, "unchanged": one.unchanged}
    return facts | {"unread": one.unread}
