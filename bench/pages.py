"""Write the pages of docs/ that follow from the code: `make docs`."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np

from leaven import registry
from leaven.augmentation import Plan, Step, expand, preview_plan
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.protocols import Transform

DOCS = Path(__file__).parent.parent / "docs"
PAGE, SPEEDS = DOCS / "operators.md", DOCS / "results" / "speeds.md"
HOUR = 3600
NAMES = ["tent", "stove", "lamp", "mug", "boots", "map", "rope", "flask", "socks", "knife"]
EXAMPLES: dict[str, dict[str, Any]] = {
    "truncate": {"length": 4},
    "repeat_pad": {"length": 14},
    "cold_items": {"cold_events": 25, "by": registry.create_config("encoders", "attributes")},
}
"""fields for the example, of operators whose defaults leave six events alone"""
HEAD = """# Operators

Made by `make docs` from the registry; every operator is a line there and a file. All of them change rows in compiled
batches, draw from keys of the row alone, carry the other columns of an event along, count what they left as it was and
why, and join the same suite of laws (`tests/contracts/test_transforms.py`): the input stays untouched; the same keys
give the same bytes in any batch; strength 0 is the identity; times stay sorted; only known items; never empty where the
input was not; nothing from the future.

The examples change one history, `{history}`, an hour between two events, at full strength;
what an operator learns, it learns from {rows} small histories of the same ten items. Speeds are those of
`python -m bench.speeds`: Beauty's histories with the default fields on one thread.
"""


def main() -> None:
    """Write docs/operators.md."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote docs/{PAGE.name}: {len(registry.list_kinds('transforms'))} operators")


def page() -> str:
    """The page of operators."""
    train = world()
    blocks = [_block(kind, registry.load_kind("transforms", kind), train) for kind in registry.FAMILIES["transforms"]]
    return HEAD.format(history=_names(train), rows=len(train)) + "\n" + "\n".join(blocks)


def world() -> Histories:
    """Small histories of ten items in two categories, the same ones every time; the first is the one shown."""
    chance = np.random.default_rng(3)
    rows = [[1, 2, 3, 4, 5, 6]]
    for _ in range(59):
        begin = int(chance.integers(1, 8))
        rows.append(
            [(begin + step + int(chance.integers(0, 2))) % 10 + 1 for step in range(int(chance.integers(3, 9)))]
        )
    times = [[place * HOUR for place in range(len(row))] for row in rows]
    histories = Histories.from_lists(rows, n_items=10, times=times)
    category = np.array([0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 1], np.int32)
    catalog = Catalog(ids=NAMES, texts={"title": NAMES}, category=category, categories=["camp", "walk"])
    return Histories(**{**vars(histories), "catalog": catalog})


def _block(kind: str, wish: Any, train: Histories) -> str:
    lines = [f"## `{kind}`", "", *_said(wish), "", "| field | default |", "|---|---|", *_fields(wish), ""]
    return "\n".join([*lines, *_shown(kind, train), "", *_speed(kind)])


def _speed(kind: str) -> list[str]:
    """What was measured of an operator; nothing where nothing was."""
    for line in SPEEDS.read_text(encoding="utf-8").splitlines() if SPEEDS.exists() else []:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == kind:
            return [f"Speed: {cells[1]} million rows, {cells[2]} million events a second.", ""]
    return []


def _said(wish: Any) -> list[str]:
    """The docstring without its example, lists of fields kept as they stand."""
    text = inspect.getdoc(wish) or ""
    before = text.split("\n>>>")[0].strip().split("\n\n")
    return ["\n".join(["```text", part, "```"]) if "\n" in part and "  " in part else part for part in before]


def _fields(wish: Any) -> list[str]:
    rows = []
    for one in fields(wish):
        default = one.default if one.default is not MISSING else one.default_factory()  # type: ignore[misc]
        rows.append(f"| `{one.name}` | `{default!r}` |")
    return rows or ["| – | – |"]


def _shown(kind: str, train: Histories) -> list[str]:
    """The first of a few draws that changes the history: its items, or else its times."""
    wish: Transform = registry.create_config("transforms", kind, EXAMPLES.get(kind))
    given = ", ".join(f"{field} = {value}" for field, value in EXAMPLES.get(kind, {}).items())
    with_ = f" with {given}" if given else ""
    for seed in range(40):
        found = [
            one
            for one in preview_plan(Plan([Step(wish)]), train, rows=len(train), seed=seed)
            if one.before == _list(train)
        ]
        if found and list(found[0].after) != list(found[0].before):
            after = [f"**{n}**" if place in found[0].changed else n for place, n in enumerate(found[0].after)]
            return [f"`{_names(train)}`{with_} → {' · '.join(after)}"]
    return [_hours(wish, train)]


def _hours(wish: Transform, train: Histories) -> str:
    """Times before and after, where an operator changes no item."""
    made = expand(train, Plan([Step(wish)]), seed=1)
    new = made.slice(len(train), len(train) + 1)
    if np.array_equal(new.times, train.slice(0, 1).times):
        return "Every row stays as it is: the copies of the step are the repeats."
    before, after = (", ".join(f"{t / HOUR:.1f}" for t in rows.times) for rows in (train.slice(0, 1), new))
    return f"Items stay; hours {before} → {after}"


def _list(train: Histories) -> list[str]:
    return [NAMES[item - 1] for item in train.row_items(0).tolist()]


def _names(train: Histories) -> str:
    return " · ".join(_list(train))


if __name__ == "__main__":
    main()
