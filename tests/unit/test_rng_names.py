from hashlib import sha256

from leaven import registry
from leaven.augmentation.plan import Step, default_name
from leaven.config.build import OPERATORS
from leaven.rng_names import RNG_NAMES


def test_every_kind_that_a_step_can_use_has_a_frozen_name() -> None:
    kinds = {f"{family}/{kind}" for family in OPERATORS for kind in registry.FAMILIES[family]}
    assert set(RNG_NAMES) == kinds


def test_the_names_that_published_results_depend_on_stay_as_they_were() -> None:
    names = "\n".join(sorted(RNG_NAMES.values()))
    assert sha256(names.encode()).hexdigest()[:16] == "d40ecd118c5045d5"


def test_an_unnamed_step_takes_the_frozen_name_of_its_kind() -> None:
    for family in OPERATORS:
        for kind in registry.FAMILIES[family]:
            cls = registry.load_kind(family, kind)
            assert default_name(object.__new__(cls)) == RNG_NAMES[f"{family}/{kind}"]


def test_an_unregistered_class_takes_its_own_name_in_words() -> None:
    class MyOwnCrop:
        shortest = 1

        def fit(self, train: object) -> object:
            return self

    assert Step(MyOwnCrop()).display_name == "my own crop"  # type: ignore[arg-type]
