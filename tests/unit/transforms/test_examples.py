"""Do the examples in the docstrings say the truth?"""

import doctest
import pkgutil
from importlib import import_module

import numpy as np
import pytest

import leaven.transforms
from leaven.datasets.histories import Histories

MODULES = [found.name for found in pkgutil.iter_modules(leaven.transforms.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name) -> None:
    module = import_module(f"leaven.transforms.{name}")
    done = doctest.testmod(module, extraglobs={"np": np, "Histories": Histories})
    assert done.failed == 0
