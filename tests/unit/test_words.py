"""The public names exist and import nothing heavy."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import leaven
from leaven.registry import FAMILIES

SOURCE = Path(leaven.__file__).parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(SOURCE.parent)}
HEAVY = ("torch", "numba", "duckdb", "pyspark", "pandas", "polars", "scipy", "pyarrow", "altair", "numpy")


def imported_by(code: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded after `code`."""
    told = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    return set(run.stdout.split("\n")[-2].split())


@pytest.mark.parametrize("word", leaven.__all__)
def test_every_public_name_exists(word: str) -> None:
    assert getattr(leaven, word) is not None


def test_classes_of_the_registry_are_public_names() -> None:
    places = [place for family in FAMILIES.values() for place in family.values()]
    assert {place.partition(":")[2] for place in places} <= set(dir(leaven))
    assert leaven.Ndcg(k=5).k == 5


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Corp"):
        _ = leaven.Corp


def test_no_package_folder_hides_a_public_name() -> None:
    """Importing leaven.x.y sets leaven.x to a module, which would hide a public name."""
    hidden = [word for word in leaven.__all__ if (SOURCE / word).exists() or (SOURCE / f"{word}.py").exists()]
    assert not hidden


def test_type_checkers_see_the_same_public_names_as_the_running_code() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.asname or alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == {word: module for module, words in leaven._PLACES.items() for word in words}
    assert sorted(typed) == sorted(leaven.__all__)


def test_importing_leaven_loads_nothing_heavy() -> None:
    assert not imported_by("import leaven") & {*HEAVY, "rich", "typer", "pydantic"}


def test_help_loads_nothing_heavy() -> None:
    code = "from leaven.cli.entry import run\nrun(['--help'])\nrun(['run', '--help'])"
    assert not imported_by(code) & set(HEAVY)


def test_listing_kinds_loads_no_neural_networks() -> None:
    assert not imported_by("from leaven.cli.entry import run\nrun(['list'])") & {"torch", "numba", "duckdb"}
