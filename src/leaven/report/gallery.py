"""How do pictures before and after become a page, or one picture?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from leaven.datasets.images import Pixels, encoded, png_address
from leaven.errors import SpecError
from leaven.report.html import environment, style
from leaven.transforms.image.image_preview import PicturePreview

KINDS = (".html", ".png")


def write(previews: Sequence[PicturePreview], target: Path) -> Path:
    """A page (.html) with all that is in the previews, or a sheet of the pictures alone (.png), whole or not there.

    Raises SpecError for a name of another kind.
    """
    if target.suffix not in KINDS:
        raise SpecError("out", f"a name that ends with {' or '.join(KINDS)}", target.name, "--out pictures.html")
    held = page(previews).encode() if target.suffix == ".html" else _sheets(previews)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_bytes(held)
    part.replace(target)
    return target


def page(previews: Sequence[PicturePreview]) -> str:
    """One HTML page, whole in itself: no script, no address that a browser would fetch."""
    shown: list[dict[str, Any]] = [
        {
            "operator": one.operator,
            "says": one.says,
            "counts": {"pictures": one.pictures, "changed": one.changed, **one.unchanged},
            "unread": {why: (len(files), files[:3]) for why, files in one.unread.items()},
            "rows": [
                (name, inline(before), [inline(view) for view in after])
                for name, before, after in zip(one.names, one.before, one.after, strict=True)
            ],
        }
        for one in previews
    ]
    return environment().get_template("gallery.html.j2").render(previews=shown, style=style())


def inline(picture: Pixels) -> Markup:
    """The address of a picture that holds the picture itself, as PNG."""
    return Markup(png_address(picture))


def _sheets(previews: Sequence[PicturePreview]) -> bytes:
    """All sheets, one below the other."""
    sheets = [one.sheet() for one in previews]
    wide = max(sheet.shape[1] for sheet in sheets)
    padded = [np.pad(one, ((0, 0), (0, wide - one.shape[1]), (0, 0)), constant_values=255) for one in sheets]
    return encoded(np.concatenate(padded), ".png")
