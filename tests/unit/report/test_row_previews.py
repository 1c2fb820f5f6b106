"""Rows before and after a step: what left and came is marked, and long rows show the places that changed."""

from leaven.facts import Preview, TextExample
from leaven.report.row_previews import build_preview, build_text

NAMES = [f"item {number}" for number in range(40)]


def texts(chips) -> list[str]:
    return [chip.text for chip in chips]


def test_a_short_row_is_shown_whole_with_its_changes_marked() -> None:
    view = build_preview(Preview("substitute", ["mug", "lamp", "cup"], ["mug", "vase", "cup"], [1]))
    assert [(chip.text, chip.mark) for chip in view.before] == [("mug", False), ("lamp", True), ("cup", False)]
    assert [(chip.text, chip.mark) for chip in view.after] == [("mug", False), ("vase", True), ("cup", False)]


def test_a_long_row_shows_the_change_with_its_neighbors() -> None:
    after = [*NAMES[:20], "vase", *NAMES[21:]]
    view = build_preview(Preview("substitute", NAMES, after, [20]))
    shown = ["… 18 more", "item 18", "item 19", "vase", "item 21", "item 22", "… 17 more"]
    assert texts(view.after) == shown
    assert texts(view.before) == [text.replace("vase", "item 20") for text in shown]


def test_a_long_run_of_removed_items_is_shortened_too() -> None:
    view = build_preview(Preview("crop", NAMES, NAMES[30:], []))
    assert texts(view.before)[:4] == ["item 0", "item 1", "item 2", "… 24 more"]
    assert view.before[3].mark
    assert sum(chip.hidden or 1 for chip in view.before) == 40


def test_an_unchanged_row_is_named_as_such_and_shown_from_its_end() -> None:
    view = build_preview(Preview("mask", NAMES, NAMES, []))
    assert view.is_unchanged
    assert texts(view.before)[0] == "… 26 more"
    assert texts(view.before)[-1] == "item 39"


def test_long_texts_are_cut() -> None:
    view = build_text(TextExample("B1", (("x" * 400, True), (" end", False)), (("y", True),)))
    assert [len(chip.text) for chip in view.before] == [300, 2]
