"""Edits of a spec as text: comments and order stay, every edit returns a new text."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError

from leaven.config import Spec, parse_spec
from leaven.errors import SpecError


@dataclass(frozen=True)
class SpecDocument:
    """The text of a spec, and the folder that its paths are relative to.

    >>> text = '[data]\\ninteractions = "log.csv"  # mine\\n'
    >>> print(SpecDocument(text, Path()).set_value(["seed"], 3).add_variant("crop").text)
    seed = 3
    <BLANKLINE>
    [data]
    interactions = "log.csv"  # mine
    <BLANKLINE>
    [[variant]]
    name = "crop"
    <BLANKLINE>

    Methods that edit raise SpecError for a text that is not TOML.
    """

    text: str
    folder: Path

    def parse(self) -> Spec:
        """The spec. Raises SpecError that names line and key of an error."""
        return parse_spec(self.text, self.folder)

    def read_table(self) -> dict[str, Any]:
        """The plain table; empty where the text is not TOML."""
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError:
            return {}

    def list_variants(self) -> list[dict[str, Any]]:
        """Tables of the variants, as far as they are tables."""
        found = self.read_table().get("variant", [])
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def set_value(self, path: Sequence[str | int], value: Any) -> SpecDocument:
        """Set a key; None removes it. Tables on the way are created."""

        def change(document: Any) -> None:
            target = document
            for key in path[:-1]:
                if isinstance(key, str) and key not in target:
                    target[key] = tomlkit.table()
                target = target[key]
            if value is None:
                target.pop(path[-1], None)
            else:
                _assign(target, path[-1], value)

        return self._edit(change)

    def set_fields(self, path: Sequence[str | int], values: Mapping[str, Any]) -> SpecDocument:
        """Set several keys of one table; None removes a key."""
        document = self
        for key, value in values.items():
            document = document.set_value([*path, key], value)
        return document

    def add_variant(self, name: str) -> SpecDocument:
        """Append a variant without steps."""
        quoted = tomlkit.item(name).as_string()
        return replace(self, text=f"{self.text.rstrip()}\n\n[[variant]]\nname = {quoted}\n")

    def remove_variant(self, variant: int) -> SpecDocument:
        """Remove a variant and its steps."""
        return self._edit(lambda document: document["variant"].pop(variant))

    def add_step(self, variant: int, kind: str) -> SpecDocument:
        """Append a step of a kind to a variant."""

        def change(document: Any) -> None:
            table = document["variant"][variant]
            step = tomlkit.table()
            step["use"] = kind
            if "step" not in table:
                table["step"] = tomlkit.aot()
            table["step"].append(step)

        return self._edit(change)

    def remove_step(self, variant: int, step: int) -> SpecDocument:
        """Remove one step of a variant."""

        def change(document: Any) -> None:
            steps = document["variant"][variant]["step"]
            steps.pop(step)
            if not steps:
                del document["variant"][variant]["step"]

        return self._edit(change)

    def move_step(self, variant: int, step: int, place: int) -> SpecDocument:
        """Move a step to a place among the steps of its variant, from 0."""

        def change(document: Any) -> None:
            table = document["variant"][variant]
            steps = list(table["step"])
            steps.insert(max(0, min(place, len(steps) - 1)), steps.pop(step))
            moved = tomlkit.aot()
            for one in steps:
                moved.append(one)
            table["step"] = moved

        return self._edit(change)

    def _edit(self, change: Callable[[Any], Any]) -> SpecDocument:
        try:
            document = tomlkit.parse(self.text)
            change(document)
            text = tomlkit.dumps(document)
            tomllib.loads(text)
        except ParseError as error:
            raise SpecError(f"spec, line {error.line}", "TOML", str(error), "correct the text first") from error
        except (TOMLKitError, tomllib.TOMLDecodeError, KeyError, IndexError, TypeError) as error:
            raise SpecError("spec", "an edit that fits its text", str(error), "edit the text instead") from error
        return replace(self, text=text)


def _assign(target: Any, key: Any, value: Any) -> None:
    """Set a key, with the comment that it has."""
    old = target.get(key) if isinstance(target, Mapping) else None
    item = tomlkit.item(value)
    if old is not None and hasattr(old, "trivia"):
        item.trivia.comment_ws, item.trivia.comment = old.trivia.comment_ws, old.trivia.comment
    target[key] = item
