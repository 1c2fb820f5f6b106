"""The command `leaven images`: previews image transforms on a folder or on the images of a table of items."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import output
from leaven.cli.info import Json

if TYPE_CHECKING:
    from leaven.protocols import ImageTransform
    from leaven.transforms.image.image_preview import ImagePreview


def preview_images(
    source: Annotated[Path, typer.Argument(metavar="FOLDER|ITEMS", help="Images, or a table that names them.")],
    operator: Annotated[
        list[str] | None, typer.Option(help="A kind: see `leaven list image_transforms`; repeatable; or all.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The page (.html), or one sheet of images (.png).")] = Path("images.html"),
    fields: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A field of the operator, as in a spec.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Number of images to show.")] = 8,
    views: Annotated[int, typer.Option(min=1, help="Number of augmented views of each.")] = 5,
    size: Annotated[int, typer.Option(min=8, help="Pixels along each side.")] = 112,
    seed: Annotated[int, typer.Option(help="Seed of all random draws.")] = 7,
    strength: Annotated[float, typer.Option(min=0, max=1, help="Strength of the change, from 0 to 1.")] = 1.0,
    image: Annotated[
        str, typer.Option(metavar="COLUMN", help="The image files; by default image, or the first column like it.")
    ] = "",
    save: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write all views as JPEG, and views.csv with their origin.")
    ] = None,
    json: Json = False,
) -> None:
    """Images of your items before and after, on a page; unchanged and unreadable files are counted."""
    from leaven.progress import show_progress

    with show_progress() as on_progress:
        from leaven.cli.catalog_args import load_image_sources
        from leaven.registry import find_kind
        from leaven.report import gallery
        from leaven.transforms.image.image_preview import PreviewConfig, preview_images, save_views

        configs = _build_operators(operator or ["chain"], fields or [])
        on_progress(0, 0, f"reading {source}")
        sources = load_image_sources(source, image)
        show = PreviewConfig(rows, views, (size, size), seed, strength)
        previews = [
            preview_images(sources.files, config, show, sources.catalog, sources.names, on_progress)
            for config in configs
        ]
        gallery.write_gallery(previews, out)
        for config in configs if save else ():
            folder = save / find_kind("image_transforms", config)  # type: ignore[operator]
            save_views(sources.files, config, show, folder, sources.catalog, sources.names, on_progress)
    if json:
        output.print_json([_to_facts(preview) for preview in previews])
        return
    for preview in previews:
        counts = {"images": preview.n_images, "changed": preview.n_changed, **preview.unchanged}
        counts |= {f"not read: {reason}": len(files) for reason, files in preview.unreadable.items()}
        lines = ((name, f"{count:,}") for name, count in counts.items())
        output.print_results(output.build_table([preview.operator, ">images"], lines), "")
    output.print_results(str(out), *([str(save)] if save else []))


def _build_operators(kinds: list[str], changes: list[str]) -> list[ImageTransform]:
    """The configs of some kinds, or of "all", with the given fields.

    Raises SpecError for an unknown kind or field, and for an invalid value.
    """
    from leaven import registry
    from leaven.config.build import build_config

    names = list(registry.list_kinds("image_transforms")) if kinds == ["all"] else kinds
    fields = dict(map(_parse_change, changes))
    return [
        build_config(registry.load_kind("image_transforms", name), dict(fields), lambda key, name=name: f"{name}.{key}")  # type: ignore[misc]
        for name in names
    ]


def _parse_change(change: str) -> tuple[str, Any]:
    name, _, value = change.partition("=")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def _to_facts(preview: ImagePreview) -> dict[str, Any]:
    return {
        "operator": preview.operator,
        "pictures": preview.n_images,
        "changed": preview.n_changed,
        "unchanged": preview.unchanged,
        "unread": preview.unreadable,
    }
