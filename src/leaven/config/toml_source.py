"""Which table does the text of a spec hold, where does each key stand, and what was set over it?"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaven.errors import SpecError, nearest


@dataclass(frozen=True)
class Text:
    """A spec as it was written. name: of its file, for errors; overridden: keys that `--set` gave."""

    name: str
    text: str
    table: dict[str, Any]
    overridden: tuple[str, ...] = ()

    def place(self, path: str) -> str:
        """How an error names a key: with its line where one line alone has it."""
        key = path.rsplit(".", 1)[-1].split("[")[0]
        if any(path == given or given.endswith(f".{key}") for given in self.overridden):
            return f"--set {path}"
        pattern = rf"^\s*(\[*{re.escape(key)}\]*\s*(=|$)|.*[{{,]\s*{re.escape(key)}\s*=)"
        lines = [at for at, line in enumerate(self.text.splitlines(), 1) if re.match(pattern, line)]
        return f"{self.name}, line {lines[0]}: {path}" if len(lines) == 1 else f"{self.name}: {path}"


def read(path: Path, overrides: Sequence[str] = ()) -> Text:
    """The spec in a file.

    Raises SpecError for a file that is missing or is no TOML, or a `--set` that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        fix = "check the path, or write one with: leaven init FILE"
        raise SpecError(str(path), "a spec file", "nothing there", fix) from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise SpecError(str(path), "a spec in TOML", str(error), "give the path of a .toml file") from error
    return from_text(text, path.name, overrides)


def from_text(text: str, name: str = "spec", overrides: Sequence[str] = ()) -> Text:
    """The spec in a text."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(name, "TOML", str(error), "see toml.io; texts stand in quotes") from error
    for given in overrides:
        _set(table, given)
    return Text(name, text, table, tuple(given.partition("=")[0].strip() for given in overrides))


def _set(table: dict[str, Any], given: str) -> None:
    """`a.b=c`: c is TOML where it reads as such, else a text. Arms go by name or number."""
    path, equals, text = given.partition("=")
    if not equals or not path.strip():
        raise SpecError(f"--set {given}", "key=value", "no '='", "write for example --set evaluate.seeds=5")
    keys = path.strip().split(".")
    place: Any = table
    for key in keys[:-1]:
        place = _inside(place, key, f"--set {path.strip()}")
    last = keys[-1]
    if isinstance(place, list):
        place[_number(place, last, f"--set {path.strip()}")] = _value(text)
    else:
        place[last] = _value(text)


def _inside(place: Any, key: str, where: str) -> Any:
    if isinstance(place, list):
        return place[_number(place, key, where)]
    if not isinstance(place, dict):
        raise SpecError(where, "a table to look into", repr(place), f"{key!r} has nothing inside")
    return place.setdefault(key, {})


def _number(place: list[Any], key: str, where: str) -> int:
    if key.isdecimal() and int(key) < len(place):
        return int(key)
    names = [str(one.get("name", "")) for one in place if isinstance(one, dict)]
    if key in names:
        return names.index(key)
    raise SpecError(where, "a name or a number from 0", repr(key), nearest(key, [name for name in names if name]))


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
