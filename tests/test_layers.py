"""Folders are layers: checks every import against the table in docs/how-it-works.md."""

import ast
import re
from collections.abc import Iterable, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "leaven"


@cache
def layers() -> dict[str, int]:
    """place (a path under src/leaven) -> layer."""
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", (ROOT / "docs/how-it-works.md").read_text(), re.M)
    return {place: int(layer) for layer, cell in rows for place in re.findall(r"`([^`]+)`", cell)}


def place_of(path: str) -> str | None:
    """The row of the table that a file belongs to: the file itself, or the nearest folder in the table."""
    if path in layers():
        return path
    parts = path.split("/")
    folders = ["/".join(parts[:end]) + "/" for end in range(len(parts) - 1, 0, -1)]
    return next((folder for folder in folders if folder in layers()), None)


def path_of(module: str) -> str | None:
    parts = module.split(".")[1:]
    for path in ("/".join(parts) + ".py", "/".join([*parts, "__init__.py"])):
        if (SOURCE / path).exists():
            return path
    return None


def imported_files(file: Path) -> set[str]:
    """Files of leaven that a file imports anywhere, inside functions and for types too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found = {name for name in submodules if path_of(name)} if node.module.startswith("leaven") else set()
            names |= found or {node.module}
    return {path for name in names if name.split(".")[0] == "leaven" and (path := path_of(name))}


@cache
def imports() -> dict[str, set[str]]:
    """file -> the other files of leaven that it imports, as paths under src/leaven."""
    files = {file.relative_to(SOURCE).as_posix(): file for file in sorted(SOURCE.rglob("*.py"))}
    return {path: imported_files(file) - {path} for path, file in files.items()}


def first_cycle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_file_has_a_layer() -> None:
    assert not [path for path in imports() if place_of(path) is None and (SOURCE / path).read_text().strip()]


def test_every_place_of_the_table_exists() -> None:
    assert not [place for place in layers() if not (SOURCE / place).exists()]


def test_every_import_points_to_a_lower_layer() -> None:
    wrong = []
    for path, targets in imports().items():
        for target in targets:
            here, there = place_of(path), place_of(target)
            if here and there and here != there and layers()[there] >= layers()[here]:
                wrong.append(f"{path} (layer {layers()[here]}) imports {target} (layer {layers()[there]})")
    assert not wrong, "\n".join(wrong)


def test_no_files_import_each_other_in_a_circle() -> None:
    assert not first_cycle(imports())


def test_no_folders_import_each_other_in_a_ring() -> None:
    def folder(path: str) -> str:
        return path.rpartition("/")[0] or path

    rings: dict[str, set[str]] = {}
    for path, targets in imports().items():
        rings.setdefault(folder(path), set()).update({folder(target) for target in targets} - {folder(path)})
    assert not first_cycle(rings)


def test_a_circle_is_found() -> None:
    assert set(first_cycle({"a": ["b"], "b": ["c"], "c": ["a"]})) == {"a", "b", "c"}


@pytest.mark.parametrize("path", sorted(imports()))
def test_no_relative_imports(path: str) -> None:
    tree = ast.parse((SOURCE / path).read_text())
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
