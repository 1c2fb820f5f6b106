"""Every example in a docstring of the package runs and prints what it says."""

import doctest
import pkgutil
from importlib import import_module

import numpy as np
import pytest

import leaven
from leaven.datasets.histories import Histories

MODULES = [found.name for found in pkgutil.walk_packages(leaven.__path__, "leaven.") if found.name != "leaven.__main__"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name) -> None:
    module = import_module(name)
    result = doctest.testmod(module, extraglobs={"np": np, "Histories": Histories})
    assert result.failed == 0


def test_most_modules_of_operators_have_an_example() -> None:
    finder = doctest.DocTestFinder()
    shown = [name for name in MODULES if any(found.examples for found in finder.find(import_module(name)))]
    assert len(shown) >= 100
