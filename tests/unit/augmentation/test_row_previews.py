"""Rows before and after a step, aligned."""

from leaven.augmentation.row_previews import PreviewedRow, RowPreviews, align_entries
from leaven.display import measure_width

NAMES = [f"title {place}" for place in range(40)]


def test_a_replaced_entry_stands_next_to_the_new_one() -> None:
    lines = align_entries(["mug", "lamp", "cup"], ["mug", "vase", "cup", "bag"])
    assert [(line.mark, line.before, line.after) for line in lines] == [
        ("", "mug", "mug"),
        ("~", "lamp", "vase"),
        ("", "cup", "cup"),
        ("+", "", "bag"),
    ]


def test_a_long_row_shows_the_places_that_changed() -> None:
    lines = align_entries(NAMES, [*NAMES[:20], "new", *NAMES[20:]])
    assert [line.before or line.after for line in lines] == [
        "18 more the same",
        "title 18",
        "title 19",
        "new",
        "title 20",
        "title 21",
        "18 more the same",
    ]


def test_a_long_unchanged_or_new_row_is_shortened_too() -> None:
    assert len(align_entries(NAMES, NAMES)) <= 15
    assert len(align_entries([], NAMES)) <= 15


def test_the_second_column_begins_at_one_place_with_wide_characters() -> None:
    row = PreviewedRow("crop", ["杯子", "lamp shade", "bag"], ["杯子", "lamp shade", "sack"], [2], "ann")
    lines = str(row).splitlines()[2:]
    starts = {
        measure_width(line[: line.rindex(name)]) for line, name in zip(lines, ["杯子", "lamp", "sack"], strict=True)
    }
    assert len(starts) == 1


def test_html_is_escaped() -> None:
    html = RowPreviews((PreviewedRow("<s>", ["<b>"], ["a & b"], [0], "<u>"),))._repr_html_()
    assert "<b>" not in html
    assert "&lt;s&gt; · &lt;u&gt;" in html
    assert "a &amp; b" in html
