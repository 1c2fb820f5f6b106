from hashlib import sha256

import pytest

from leaven import registry
from leaven.augmentation.plan import Step
from leaven.config.build import list_operator_families
from leaven.errors import SpecError


def test_the_names_that_published_results_depend_on_stay_as_they_were() -> None:
    names = [
        registry.load_kind(family, kind).traits.rng_name
        for family in list_operator_families()
        for kind in registry.FAMILIES[family]
    ]
    assert sha256("\n".join(sorted(names)).encode()).hexdigest()[:16] == "d40ecd118c5045d5"


def test_a_name_belongs_to_one_kind() -> None:
    names = [
        (registry.load_kind(family, kind).traits.rng_name, f"{family}/{kind}")
        for family in list_operator_families()
        for kind in registry.FAMILIES[family]
    ]
    assert len({name for name, _ in names}) == len(names)


def test_an_unnamed_step_takes_the_frozen_name_of_its_kind() -> None:
    crop = registry.create_config("transforms", "trivial_augment")
    assert Step(crop).display_name == "trivial"


def test_a_class_without_traits_is_an_error_that_says_what_to_write() -> None:
    class MyOwnCrop:
        min_events = 1

        def fit(self, train: object) -> object:
            return self

    with pytest.raises(SpecError, match=r'traits: ClassVar\[OperatorTraits\] = OperatorTraits\("my own crop"\)'):
        Step(MyOwnCrop())  # type: ignore[arg-type]
