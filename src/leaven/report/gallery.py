"""Pages and sheets of images before and after a transform."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from leaven.datasets.images import Pixels, encode_data_uri, encode_image
from leaven.errors import SpecError
from leaven.report.html import load_environment, load_style
from leaven.transforms.image.image_preview import ImagePreview
from leaven.transforms.image.preview_sheet import render_sheet

SUFFIXES = (".html", ".png")


def write_gallery(previews: Sequence[ImagePreview], target: Path) -> Path:
    """Write a page (.html) with all details of the previews, or one sheet of images that fits a screen (.png),
    atomically.

    Raises SpecError for a name with another suffix.
    """
    if target.suffix not in SUFFIXES:
        raise SpecError("out", f"a name that ends with {' or '.join(SUFFIXES)}", target.name, "--out images.html")
    content = render_gallery(previews).encode() if target.suffix == ".html" else _render_overview(previews)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_bytes(content)
    part.replace(target)
    return target


def render_gallery(previews: Sequence[ImagePreview]) -> str:
    """One self-contained HTML page: no script, no address that a browser would fetch."""
    views: list[dict[str, Any]] = [
        {
            "operator": preview.operator,
            "parameters": preview.config_text,
            "counts": {"images": preview.n_images, "changed": preview.n_changed, **preview.unchanged},
            "unread": {reason: (len(files), files[:3]) for reason, files in preview.unreadable.items()},
            "rows": [
                (name, make_data_url(before), [make_data_url(view) for view in after])
                for name, before, after in zip(preview.names, preview.before, preview.after, strict=True)
            ],
        }
        for preview in previews
    ]
    return load_environment().get_template("gallery.html.j2").render(previews=views, style=load_style())


def make_data_url(image: Pixels) -> Markup:
    """A data URL that holds an image as PNG."""
    return Markup(encode_data_uri(image))


def _render_overview(previews: Sequence[ImagePreview]) -> bytes:
    """The sheet of one preview; of several, one row for each operator."""
    if len(previews) == 1:
        return encode_image(previews[0].render_sheet(), ".png")
    rows = [preview.select_example() for preview in previews]
    return encode_image(render_sheet(rows, "one image of each operator: before, then views"), ".png")
