"""Pages that follow from the code are those of this code."""

from bench.pages import PAGE, build_page


def test_the_page_of_operators_is_the_one_that_make_docs_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == build_page(), "run: make docs"
