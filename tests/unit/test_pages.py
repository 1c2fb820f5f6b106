"""Pages that follow from the code are those of this code, and links between pages lead somewhere."""

import re
from pathlib import Path

import pytest
from bench.pages import PAGE, build_page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
MODULE = re.compile(r"`(?:src/leaven/)?([a-z_0-9/]+\.py)`")
MADE_BY_THE_SITE = "reference/index.md"


def test_the_page_of_operators_is_the_one_that_make_docs_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == build_page(), "run: make docs"


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    missing = [
        link for link in links if link not in (MADE_BY_THE_SITE, "index.md") and not (page.parent / link).exists()
    ]
    assert not missing


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.name)
def test_every_module_that_a_page_names_exists(page: Path) -> None:
    files = [f"/{path.relative_to(ROOT)}" for path in ROOT.glob("[a-z]*/**/*.py")]
    named = set(MODULE.findall(page.read_text(encoding="utf-8")))
    assert not [name for name in sorted(named) if not any(file.endswith(f"/{name}") for file in files)]
