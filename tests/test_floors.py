"""Imports point down only: read from the table in docs/how-it-works.md."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "leaven"


def places() -> dict[str, int]:
    """place (as a path under src/leaven) -> floor."""
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", (ROOT / "docs/how-it-works.md").read_text(), re.M)
    return {place: int(floor) for floor, cell in rows for place in re.findall(r"`([^`]+)`", cell)}


def place_of(path: str, known: dict[str, int]) -> str | None:
    """The place that a file belongs to: itself, or the nearest folder in the table."""
    if path in known:
        return path
    parts = path.split("/")
    folders = ["/".join(parts[:end]) + "/" for end in range(len(parts) - 1, 0, -1)]
    return next((folder for folder in folders if folder in known), None)


def imported(file: Path) -> set[str]:
    """leaven's own modules that a file imports anywhere, lazily or for types too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("leaven.")}


def path_of(module: str) -> str | None:
    parts = module.split(".")[1:]
    for path in ("/".join(parts) + ".py", "/".join([*parts, "__init__.py"])):
        if (SOURCE / path).exists():
            return path
    return None


def test_every_import_points_to_a_lower_floor() -> None:
    known = places()
    wrong = []
    for file in sorted(SOURCE.rglob("*.py")):
        here = file.relative_to(SOURCE).as_posix()
        mine = place_of(here, known)
        if mine is None:
            if here not in ("data/__init__.py",):
                wrong.append(f"{here} has no floor in docs/how-it-works.md")
            continue
        for module in imported(file):
            target = path_of(module)
            other = place_of(target, known) if target else None
            if target and other and other != mine and known[other] >= known[mine]:
                wrong.append(f"{here} (floor {known[mine]}) imports {target} (floor {known[other]})")
    assert not wrong, "\n".join(wrong)


def test_nothing_is_imported_relatively() -> None:
    relative = [
        file.name
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative, relative
