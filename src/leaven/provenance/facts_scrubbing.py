"""Removal of users from the facts of a run: examples of the log and previews that quote them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaven.augmentation.preview import is_previewable, select_preview_rows
from leaven.config import Spec, Variant
from leaven.datasets.histories import Histories
from leaven.facts import FACTS_FILE, RunFacts
from leaven.modalities.sequence import list_item_names
from leaven.provenance.mixed_rows import mixes_users
from leaven.provenance.row_files import RowIds, load_row_names, load_rows, load_run_catalog
from leaven.report.html import write_report
from leaven.run_folder import REPORT_FILE, RunFolder, slugify, write_json

N_PREVIEWS = 10
"""Number of rows that a run shows per variant."""
_USER_FIELDS = ("user", "users", "user_id")


@dataclass(frozen=True)
class Quoted:
    """Previews that quote the users. rows: as item names, like in a preview; any_preview: whether every preview of the
    variant may quote them."""

    rows: Sequence[list[str]] = ()
    any_preview: bool = False


def scrub_facts(run: RunFolder, config: Spec, keys: RowIds, users: Sequence[str]) -> None:
    """Remove examples of the log that quote these users, and previews of their rows, from facts and stage notes; then
    write the page again."""
    quotes = {slugify(variant.name): find_quotes(run, config, variant, keys) for variant in config.variants}
    names = {name for user in users for name in (user, f"{user}#")}
    for path in sorted((run.path / "stages").glob("*.json")):
        note = json.loads(path.read_text(encoding="utf-8"))
        folder = path.stem.removeprefix("rows-")
        _write_changed(path, note, _drop_quotes(note, names, quotes.get(folder, Quoted())))
    path = run.path / FACTS_FILE
    if not path.exists():
        return
    facts = json.loads(path.read_text(encoding="utf-8"))
    scrubbed = _drop_quotes(facts, names, Quoted())
    scrubbed["variants"] = [
        _drop_quotes(variant, names, quotes.get(slugify(variant["name"]), Quoted())) for variant in scrubbed["variants"]
    ]
    _write_changed(path, facts, scrubbed)
    if (run.path / REPORT_FILE).exists():
        write_report(RunFacts.from_json(scrubbed, str(path)), run.path / REPORT_FILE)


def find_quotes(run: RunFolder, config: Spec, variant: Variant, keys: RowIds) -> Quoted:
    """How the previews of a variant would show these users' rows."""
    path = run.data_folder / "train.parquet"
    steps = [step for step in variant.plan.named_steps if is_previewable(step)]
    if not steps or not path.exists() or not load_row_names(path).match(keys).any():
        return Quoted()
    train = load_rows(path, load_run_catalog(run))
    chosen = select_preview_rows(len(steps), train, N_PREVIEWS, config.seed)
    mine = chosen.take(np.isin(chosen.row_ids, keys))
    if not isinstance(chosen, Histories):
        return Quoted(any_preview=len(mine) > 0)
    rows = [list_item_names(mine.slice(row, row + 1)) for row in range(len(mine))]
    return Quoted(rows, any(mixes_users(step.use) for step in steps))


def _drop_quotes(facts: Any, users: set[str], quotes: Quoted) -> Any:
    """The facts without records of the users and without previews that quote them."""
    if isinstance(facts, list):
        return [_drop_quotes(entry, users, quotes) for entry in facts if not _is_of_users(entry, users)]
    if not isinstance(facts, Mapping):
        return facts
    return {
        name: [preview for preview in entry if not quotes.any_preview and preview["before"] not in quotes.rows]
        if name == "previews"
        else _drop_quotes(entry, users, quotes)
        for name, entry in facts.items()
    }


def _is_of_users(entry: object, users: set[str]) -> bool:
    """Whether a record belongs to one of the users, or to one of their visits."""
    if not isinstance(entry, Mapping):
        return False
    names = [str(entry[name]) for name in _USER_FIELDS if name in entry]
    return any(name in users or f"{name.rpartition('#')[0]}#" in users for name in names)


def _write_changed(path: Path, before: object, after: object) -> None:
    if after != before:
        write_json(path, after)
