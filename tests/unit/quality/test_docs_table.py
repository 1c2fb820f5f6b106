"""The table of metrics in the docs matches the code."""

from pathlib import Path

from bench.synthetic_quality import format_metric_table

PAGE = Path(__file__).parents[3] / "docs" / "quality.md"


def test_the_docs_list_every_metric_with_its_docstring() -> None:
    assert format_metric_table() in PAGE.read_text(encoding="utf-8"), (
        "put what `python -m bench.synthetic_quality --table` prints into the page"
    )
