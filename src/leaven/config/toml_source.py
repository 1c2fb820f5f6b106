"""TOML source of a spec: its table, line numbers of its keys, and overrides of the command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaven.errors import SpecError, suggest_name


@dataclass(frozen=True)
class SpecSource:
    """Source of a spec. name: its file, for errors; overridden: keys that `--set` gave."""

    name: str
    text: str
    table: dict[str, Any]
    overridden: tuple[str, ...] = ()

    def locate(self, path: str) -> str:
        """Location of a key for an error message, with the line number where exactly one line has the key."""
        key = path.rsplit(".", 1)[-1].split("[")[0]
        if any(path == given or given.endswith(f".{key}") for given in self.overridden):
            return f"--set {path}"
        pattern = rf"^\s*(\[*{re.escape(key)}\]*\s*(=|$)|.*[{{,]\s*{re.escape(key)}\s*=)"
        lines = [number for number, line in enumerate(self.text.splitlines(), 1) if re.match(pattern, line)]
        return f"{self.name}, line {lines[0]}: {path}" if len(lines) == 1 else f"{self.name}: {path}"


def read_source(path: Path, overrides: Sequence[str] = ()) -> SpecSource:
    """Source of a spec file.

    Raises SpecError for a missing file, a file that is not TOML, or a `--set` that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        fix = "check the path, or write one with: leaven init FILE"
        raise SpecError(str(path), "a spec file", "nothing there", fix) from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise SpecError(str(path), "a spec in TOML", str(error), "give the path of a .toml file") from error
    return parse_source(text, path.name, overrides)


def parse_source(text: str, name: str = "spec", overrides: Sequence[str] = ()) -> SpecSource:
    """Source of a spec in a string."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(name, "TOML", str(error), "see toml.io; text needs quotes") from error
    for given in overrides:
        _override(table, given)
    return SpecSource(name, text, table, tuple(given.partition("=")[0].strip() for given in overrides))


def _override(table: dict[str, Any], given: str) -> None:
    """Set `a.b=c`: c is TOML where it parses as such, else text. Variants are addressed by name or number."""
    path, equals, text = given.partition("=")
    if not equals or not path.strip():
        raise SpecError(f"--set {given}", "key=value", "no '='", "write for example --set evaluate.seeds=5")
    keys = path.strip().split(".")
    target: Any = table
    for key in keys[:-1]:
        target = _descend(target, key, f"--set {path.strip()}")
    last = keys[-1]
    if isinstance(target, list):
        target[_find_index(target, last, f"--set {path.strip()}")] = _parse_value(text)
    else:
        target[last] = _parse_value(text)


def _descend(target: Any, key: str, where: str) -> Any:
    if isinstance(target, list):
        return target[_find_index(target, key, where)]
    if not isinstance(target, dict):
        raise SpecError(where, "a table", repr(target), f"{key!r} has no keys")
    return target.setdefault(key, {})


def _find_index(items: list[Any], key: str, where: str) -> int:
    if key.isdecimal() and int(key) < len(items):
        return int(key)
    names = [str(one.get("name", "")) for one in items if isinstance(one, dict)]
    if key in names:
        return names.index(key)
    raise SpecError(where, "a name or a number from 0", repr(key), suggest_name(key, [name for name in names if name]))


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
