"""Renders images before and after a transform as one sheet with named rows that fits a screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaven.datasets.images import Pixels, import_opencv, resize_image

SCREEN_SIZE = (1080, 1920)  # height and width in pixels
_GAP = 4  # pixels between images
_LABEL_WIDTH = 132  # pixels
_HEADER_HEIGHT = 22  # pixels
_MIN_SIDE = 12  # pixels: with more rows than fit at this side, the sheet grows
_FONT_SCALE = 0.4
_WHITE, _INK = 255, (40, 40, 40)


@dataclass(frozen=True, eq=False)
class SheetRow:
    """A named row: the input uint8 (height, width, 3), and its views uint8 (views, height, width, 3)."""

    name: str
    before: Pixels
    after: Pixels


def render_sheet(rows: Sequence[SheetRow], title: str) -> Pixels:
    """uint8 (height, width, 3): a title, then one row per line or several lines side by side, on white.

    A row is its name, the input and the views. Images are scaled down, never up, so that the sheet fits `SCREEN_SIZE`.

    >>> image = np.zeros((1, 100, 80, 3), np.uint8)
    >>> render_sheet([SheetRow("a.jpg", image[0], image)], "flip").shape
    (130, 308, 3)
    """
    if not rows:
        return np.full((_HEADER_HEIGHT, _LABEL_WIDTH, 3), _WHITE, np.uint8)
    n_cells = 1 + max(len(row.after) for row in rows)
    height = max(image.shape[0] for row in rows for image in (row.before, *row.after))
    width = max(image.shape[1] for row in rows for image in (row.before, *row.after))
    layout = _choose_layout(len(rows), n_cells, height, width)
    lines = -(-len(rows) // layout.n_blocks)
    block_width = _LABEL_WIDTH + n_cells * (layout.width + _GAP) + 2 * _GAP
    sheet = np.full(
        (_HEADER_HEIGHT + lines * (layout.height + _GAP) + _GAP, layout.n_blocks * block_width, 3), _WHITE, np.uint8
    )
    _write_text(sheet, title, top=0, left=_GAP, height=_HEADER_HEIGHT, width=sheet.shape[1] - _GAP)
    for place, row in enumerate(rows):
        top = _HEADER_HEIGHT + (place % lines) * (layout.height + _GAP) + _GAP
        left = (place // lines) * block_width
        _write_text(sheet, row.name, top, left + _GAP, layout.height, _LABEL_WIDTH - 2 * _GAP)
        for cell, image in enumerate((row.before, *row.after)):
            start = left + _LABEL_WIDTH + cell * (layout.width + _GAP) + (_GAP if cell else 0)
            shown = resize_image(image, layout.fit(image), "stretch")
            sheet[top : top + shown.shape[0], start : start + shown.shape[1]] = shown
    return sheet


@dataclass(frozen=True)
class _Layout:
    """Lines side by side, and the height and width of the cells after scaling."""

    n_blocks: int
    height: int
    width: int
    scale: float

    def fit(self, image: Pixels) -> tuple[int, int]:
        """Height and width of an image at the scale of the sheet."""
        return max(int(image.shape[0] * self.scale), 1), max(int(image.shape[1] * self.scale), 1)


def _choose_layout(n_rows: int, n_cells: int, height: int, width: int) -> _Layout:
    """The number of lines side by side that shows the images largest."""
    found: list[_Layout] = []
    for n_blocks in range(1, n_rows + 1):
        lines = -(-n_rows // n_blocks)
        free_height = (SCREEN_SIZE[0] - _HEADER_HEIGHT - _GAP) / lines - _GAP
        free_width = (SCREEN_SIZE[1] / n_blocks - _LABEL_WIDTH - 2 * _GAP) / n_cells - _GAP
        scale = min(1.0, max(min(free_height / height, free_width / width), _MIN_SIDE / min(height, width)))
        found.append(_Layout(n_blocks, max(int(height * scale), 1), max(int(width * scale), 1), scale))
        if free_width < _MIN_SIDE:
            break
    return max(found, key=lambda layout: (layout.scale, -layout.n_blocks))


def _write_text(sheet: Pixels, text: str, top: int, left: int, height: int, width: int) -> None:
    """Write one line of text, vertically centered; a text that is too long ends with two dots."""
    cv2 = import_opencv()

    def measure(part: str) -> tuple[int, int]:
        (across, tall), _ = cv2.getTextSize(part, cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE, 1)
        return int(across), int(tall)

    shown = text
    while shown and measure(shown if shown == text else f"{shown}..")[0] > width:
        shown = shown[:-1]
    shown = shown if shown == text else f"{shown}.."
    baseline = top + (height + measure(shown)[1]) // 2
    cv2.putText(sheet, shown, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE, _INK, 1, cv2.LINE_AA)
