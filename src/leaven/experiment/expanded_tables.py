"""The rows of a variant as tables with the user's own ids, with a manifest."""

from __future__ import annotations

import shutil

from leaven.augmentation.epochs import build_epoch_rows
from leaven.augmentation.event_files import write_epoch_events, write_expanded_events
from leaven.augmentation.expansion import load_expansion
from leaven.augmentation.plan import Plan
from leaven.config import load_spec
from leaven.experiment import tasks
from leaven.facts import JsonObject
from leaven.run_folder import SPEC_FILE, RunFolder, write_json

MANIFEST_FILE = "events.json"
"""File that describes the tables."""
EVENTS_FOLDER = "events"
"""Folder of the tables in the folder of `leaven expand`."""
_FIRST_TRAINING = 1
"""Number of the training whose draws the rows of epochs have."""

COLUMN_MEANINGS = {
    "user": "id of the user; of a synthetic row a unique name that is no user's id",
    "row": "id of the row",
    "item": "id of the item; [mask] for a masked event",
    "time": "time of the event; null where the log has no times",
    "position": "place of the event in its row, from 0",
    "is_target": "whether the event is a training target",
    "origin": "real; changed: the row of a real user that a step changed in place; synthetic",
    "step": "name of the step that created or changed the row; null for real rows",
    "parent": "the real user (of samples: the row) that the row derives from; null for real rows or without a parent",
    "weight": "weight of the row in the loss",
    "epoch": "epoch of the training, from 1",
}
"""Column -> what it holds."""


def write_event_tables(run: RunFolder, variant: str, epochs: int = 0) -> JsonObject:
    """Write the expanded rows of a variant to `events/` with original ids and column names, and `events.json`, which
    describes them; returns the latter.

    epochs: 0 writes the rows that steps create once; N writes one file for each of N epochs of a training, with the
    rows of the steps of each epoch. A controller, which follows the losses of a training, leaves the steps as they are.

    Raises DataError where the rows of the variant are not in the folder.
    """
    spec = load_spec(run.path / SPEC_FILE)
    plan, train = spec.variant(variant).plan, tasks.of(spec.task).load_parts(run.data_folder).train
    folder, target = run.variant_folder(variant) / "expanded", run.path / EVENTS_FOLDER
    shutil.rmtree(target, ignore_errors=True)
    if epochs:
        expanded = load_expansion(folder, plan, train)
        rows = build_epoch_rows(train, expanded, plan, spec.seed, _FIRST_TRAINING)
        written = write_epoch_events([rows(epoch, epoch / epochs) for epoch in range(epochs)], plan, target)
    else:
        written = write_expanded_events(folder, plan, train, target)
    meanings = {written.columns[role]: text for role, text in COLUMN_MEANINGS.items() if role in written.columns}
    counts = {"variant": variant, "rows": written.rows, "lines": written.events}
    files = counts | {"files": list(written.files), "columns": dict(written.columns), "meanings": meanings}
    manifest = files | {"seed": spec.seed, "notes": list_notes(plan, epochs)}
    write_json(run.path / MANIFEST_FILE, manifest)
    return manifest


def list_notes(plan: Plan, epochs: int) -> list[str]:
    """What the written rows do not show."""
    later = [step.display_name for step in plan.named_steps if step.when != "once" and not step.is_on_items]
    items = [step.display_name for step in plan.named_steps if step.is_on_items]
    notes = []
    if later and not epochs:
        notes.append(f"{', '.join(later)}: rows change in each epoch and are not here; --epochs 5 writes five epochs")
    if items:
        notes.append(f"{', '.join(items)}: changes texts or images of items, not rows; see the folder views")
    if plan.controller is not None and epochs:
        notes.append("the controller follows the losses of a training; without one, every step has its full strength")
    return notes


def remove_event_tables(run: RunFolder) -> bool:
    """Delete the tables; whether there were any."""
    existed = (run.path / EVENTS_FOLDER).exists()
    shutil.rmtree(run.path / EVENTS_FOLDER, ignore_errors=True)
    (run.path / MANIFEST_FILE).unlink(missing_ok=True)
    return existed
