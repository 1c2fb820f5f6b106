"""The public names of `import leaven`: complete, and loaded on first use."""

import ast
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import leaven
from leaven.registry import FAMILIES, list_classes

SOURCE = Path(leaven.__file__).parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(SOURCE.parent)}
HEAVY = ("torch", "numba", "duckdb", "pyspark", "pandas", "polars", "scipy", "pyarrow", "altair", "numpy")
NAMESPACES = [name for name in leaven._NAMESPACES if name != "pytorch"]


def list_imports(code: str) -> set[str]:
    """Top-level names of all modules that a fresh interpreter holds after `code`."""
    program = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    return set(run.stdout.split("\n")[-2].split())


@pytest.mark.parametrize("name", leaven.__all__)
def test_every_public_name_loads(name: str) -> None:
    assert getattr(leaven, name) is not None


@pytest.mark.parametrize("name", NAMESPACES)
def test_a_namespace_lists_exactly_its_registered_classes_and_loads_them(name: str) -> None:
    namespace = import_module(f"leaven.{name}")
    classes = list_classes(f"leaven.{name}")
    assert classes
    assert set(classes) <= set(dir(namespace))
    assert all(getattr(namespace, one).__name__ == one for one in classes)
    with pytest.raises(AttributeError, match="Corp"):
        _ = namespace.Corp


@pytest.mark.parametrize("name", NAMESPACES)
def test_classes_of_a_namespace_have_different_names(name: str) -> None:
    entries = {entry for family in FAMILIES.values() for entry in family.values()}
    inside = [entry for entry in entries if entry.startswith(f"leaven.{name}.")]
    assert len(list_classes(f"leaven.{name}")) == len(inside)


def test_registered_classes_load_from_the_top_level_and_are_not_listed_there() -> None:
    assert leaven.Ndcg(k=5).k == 5
    assert "Ndcg" not in dir(leaven)
    with pytest.raises(AttributeError, match="Corp"):
        _ = leaven.Corp


def test_the_top_level_lists_public_names_alone() -> None:
    assert dir(leaven) == sorted([*leaven.__all__, *leaven._NAMESPACES])


def test_no_folder_or_module_hides_a_public_name() -> None:
    """Importing leaven.x.y sets leaven.x to a module, which would hide a public name x."""
    hidden = [name for name in leaven.__all__ if (SOURCE / name).exists() or (SOURCE / f"{name}.py").exists()]
    assert not hidden


def test_type_checkers_see_the_names_that_load() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == leaven._PUBLIC
    assert sorted(typed) == sorted(leaven.__all__)


def test_importing_leaven_loads_nothing_heavy() -> None:
    assert not list_imports("import leaven") & {*HEAVY, "rich", "typer", "pydantic"}


def test_listing_a_namespace_loads_nothing_heavy() -> None:
    assert not list_imports("import leaven\ndir(leaven.transforms)") & set(HEAVY)


def test_help_loads_nothing_heavy() -> None:
    code = "from leaven.cli.entry import run_command\nrun_command(['--help'])\nrun_command(['run', '--help'])"
    assert not list_imports(code) & set(HEAVY)


def test_listing_kinds_loads_no_networks() -> None:
    assert not list_imports("from leaven.cli.entry import run_command\nrun_command(['list'])") & {
        "torch",
        "numba",
        "duckdb",
    }
