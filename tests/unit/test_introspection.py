"""Descriptions of kinds from their classes."""

import pytest

from leaven import introspection, registry
from leaven.errors import SpecError

EVERY = [(family, kind) for family, held in registry.FAMILIES.items() for kind in held]


@pytest.mark.parametrize(("family", "name"), EVERY)
def test_every_kind_has_a_one_sentence_summary(family: str, name: str) -> None:
    found = {kind.name: kind for kind in introspection.describe_family(family)}[name]
    assert not found.missing_library
    assert found.summary
    assert len(found.summary) < 300


def test_fields_have_their_defaults() -> None:
    tail = {kind.name: kind for kind in introspection.describe_family("metrics")}["tail"]
    assert [(one.name, one.type_name) for one in tail.fields] == [("k", "int"), ("head_share", "float")]


def test_a_kind_with_a_missing_library_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.FAMILIES, "metrics", {"odd": "no_such_library.metrics:Odd"})
    (found,) = introspection.describe_family("metrics")
    assert found.missing_library == "no_such_library"


def test_a_misspelled_family_gets_a_suggestion() -> None:
    with pytest.raises(SpecError) as caught:
        introspection.describe_family("metric")
    assert "'metrics'" in caught.value.fix
