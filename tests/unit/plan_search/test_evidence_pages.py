"""Every recipe names a page of the documentation that exists."""

from pathlib import Path

import pytest

from leaven import registry

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", registry.list_kinds("recipes"))
def test_the_page_of_evidence_exists_and_is_in_the_navigation(kind: str) -> None:
    page = registry.load_kind("recipes", kind).evidence
    if not page:
        return
    assert (ROOT / page).is_file(), page
    assert page.removeprefix("docs/") in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_pages_of_evidence_are_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = sorted(path.name for path in (ROOT / "docs" / "evidence").glob("*.md"))
    assert [name for name in pages if f"evidence/{name}" not in navigation] == []
