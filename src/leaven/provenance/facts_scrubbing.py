"""Which lines and pairs of the facts quote a user, and how does a run forget them?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven.augmentation.preview import has_something_to_show, items_named, rows_shown
from leaven.config import Arm, Spec
from leaven.datasets.histories import Histories
from leaven.provenance.mixed_rows import borrows
from leaven.provenance.row_files import Keys, catalog_of, names_of, rows_of
from leaven.report.html import write as write_page
from leaven.run_folder import FACTS, REPORT, Run, plain, write_json

PREVIEWS = 10
"""Rows that a run shows of each arm."""
_USER = ("user", "users", "user_id")


def scrub(run: Run, wish: Spec, keys: Keys, users: Sequence[str]) -> None:
    """Facts and notes without the lines of the log that quote these users, and without pairs of their rows; the page
    is written again from them."""
    before = {plain(arm.name): quoted(run, wish, arm, keys) for arm in wish.arms}
    names = {user for one in users for user in (one, f"{one}#")}
    for path in sorted((run.folder / "stages").glob("*.json")):
        note = json.loads(path.read_text(encoding="utf-8"))
        arm = path.stem.removeprefix("rows-")
        _write(path, note, _forgotten(note, names, before.get(arm, ([], False))))
    path = run.folder / FACTS
    if not path.exists():
        return
    facts = json.loads(path.read_text(encoding="utf-8"))
    clean = _forgotten(facts, names, ([], False))
    clean["arms"] = [
        _forgotten(arm, names, before.get(plain(str(arm.get("name", ""))), ([], False)))
        for arm in clean.get("arms", [])
    ]
    _write(path, facts, clean)
    if (run.folder / REPORT).exists():
        write_page(path, run.folder / REPORT)


Quoted = tuple[list[list[str]], bool]
"""(rows as a preview shows them, whether every preview of the arm may quote the users)"""


def quoted(run: Run, wish: Spec, arm: Arm, keys: Keys) -> Quoted:
    """How the previews of an arm would show these users' rows."""
    path = run.data / "train.parquet"
    steps = [step for step in arm.plan.all if has_something_to_show(step)]
    if not steps or not path.exists() or not names_of(path).of(keys).any():
        return [], False
    train = rows_of(path, catalog_of(run))
    chosen = rows_shown(len(steps), train, PREVIEWS, wish.seed)
    mine = chosen.take(np.isin(chosen.keys, keys))
    if not isinstance(chosen, Histories):
        return [], len(mine) > 0
    shown = [items_named(mine.slice(row, row + 1)) for row in range(len(mine))]
    return shown, any(borrows(step.use) for step in steps)


def _forgotten(facts: Any, users: set[str], before: Quoted) -> Any:
    """The same without examples that name one of the users, and without previews of these rows."""
    if isinstance(facts, Mapping):
        kept = {name: _forgotten(one, users, before) for name, one in facts.items() if name != "previews"}
        if "previews" in facts:
            kept["previews"] = [] if before[1] else [one for one in facts["previews"] if one["before"] not in before[0]]
            kept = {name: kept[name] for name in facts}
        return kept
    if isinstance(facts, list):
        return [_forgotten(one, users, before) for one in facts if not _names(one, users)]
    return facts


def _names(one: Any, users: set[str]) -> bool:
    """Whether a record is that of one of the users, or of a visit of theirs."""
    if not isinstance(one, Mapping):
        return False
    named = [str(one[name]) for name in _USER if name in one]
    return any(name in users or f"{name.rpartition('#')[0]}#" in users for name in named)


def _write(path: Path, before: Any, after: Any) -> None:
    if after != before:
        write_json(path, after)
