"""Every text of a template has a Chinese translation."""

import re
from importlib.resources import files

import pytest

from leaven.studio.strings import CHINESE, translate

TEMPLATES = sorted(file.name for file in (files("leaven.studio") / "templates").iterdir())


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_text_of_a_template_is_translated(name: str) -> None:
    text = (files("leaven.studio") / "templates" / name).read_text(encoding="utf-8")
    assert not {found for found in re.findall(r'\bt\("([^"]+)"\)', text) if found not in CHINESE}


def test_other_texts_stay_as_they_are() -> None:
    assert translate("ndcg@10", "zh") == "ndcg@10"
