"""The examples in the docstrings of all transforms run."""

import doctest
import pkgutil
from importlib import import_module

import numpy as np
import pytest

import leaven.transforms
from leaven.datasets.histories import Histories

MODULES = [found.name for found in pkgutil.walk_packages(leaven.transforms.__path__, "leaven.transforms.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name) -> None:
    module = import_module(name)
    done = doctest.testmod(module, extraglobs={"np": np, "Histories": Histories})
    assert done.failed == 0
