"""How does a log become a split? Read, cleaned, ordered, split, kept in the run's folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from leaven import seeds
from leaven.contracts import Tell
from leaven.data.catalog import Catalog
from leaven.data.clean import clean
from leaven.data.events import Events
from leaven.data.health import health
from leaven.data.log import order, read, read_catalog
from leaven.data.log.files import paths_of
from leaven.data.log.order import Ordered
from leaven.data.log.reading import connect
from leaven.data.log.tables import is_database
from leaven.data.split import Split
from leaven.experiment.storage import load_split, save_split
from leaven.runs import Run, file_fingerprint, fingerprint
from leaven.spec import Spec, resolved

READING = "1500MB"
"""Memory of the database while a log is read, cleaned and ordered; beyond it, it spills into the temporary folder."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """split: its parts. facts: reading, cleaning, health, split. fingerprint: of the data and of all that shaped it."""

    split: Split
    facts: dict[str, Any]
    fingerprint: str
    seconds: dict[str, float]


def prepare(spec: Spec, run: Run, tell: Tell) -> Prepared:
    """The split that a spec wishes for, from the run's folder where it lies there already."""
    mark = data_fingerprint(spec)
    with run.stage("data", mark, [run.data]) as stage:
        if not stage.done:
            timed = _Timed(tell)
            split, catalog, facts = _made(spec, timed)
            split = split.without(np.array([int(key, 16) for key in run.erased()], np.uint64))
            timed("split · writing", lambda: save_split(split, catalog, run.data))
            stage.facts = {"data": facts, "seconds": timed.seconds}
    return Prepared(load_split(run.data), stage.facts["data"], mark, stage.facts["seconds"])


def data_fingerprint(spec: Spec) -> str:
    """Of the bytes of the files, and of the tables of the spec that shape the data."""
    wish = resolved(spec)
    paths = [str(spec.data.interactions), *([str(spec.items.items)] if spec.items else [])]
    shaping = {name: wish[name] for name in ("seed", "clean", "split")}
    columns = {key: value for key, value in wish["data"].items() if key not in ("interactions", "items")}
    return fingerprint(file_fingerprint(_files(paths)), shaping, columns)


def _files(names: list[str]) -> list[str]:
    files: list[str] = []
    for name in names:
        files += [name] if is_database(name) else paths_of(name)
    return files


def _made(spec: Spec, timed: _Timed) -> tuple[Split, Catalog, dict[str, Any]]:
    database = connect(READING)
    events: Events = timed("reading the log", lambda: read(spec.data, items=spec.items, connection=database))
    cleaned = timed("cleaning", lambda: clean(events, spec.clean))
    ordered: Ordered = timed("ordering events into histories", lambda: order(cleaned.events))
    catalog = timed("reading the items", lambda: _catalog(spec, ordered, cleaned.events))
    database.close()  # what it held in memory is not needed beside the split
    histories = replace(ordered.histories, catalog=catalog)
    split: Split = timed("split", lambda: spec.split.split(histories, seeds.key(spec.seed, "split")))
    found = timed("health of the log", lambda: health(histories))
    facts = {
        "reading": dict(events.facts),
        "cleaning": list(cleaned.rules),
        "health": found,
        "split": dict(split.facts),
    }
    return split, catalog, facts


def _catalog(spec: Spec, ordered: Ordered, events: Events) -> Catalog:
    """The items of the spec; where it names none, the texts that the log itself gives them."""
    if spec.items is not None:
        return read_catalog(spec.items, ordered.item_ids, events)
    ids = list(ordered.item_ids)
    if "text" not in events.columns:
        return Catalog(ids=ids)
    sql = f"SELECT item, max(text) FROM {events.table} WHERE text IS NOT NULL GROUP BY item"
    known = dict(events.connection.execute(sql).fetchall())
    return Catalog(ids=ids, words={"text": [str(known.get(one, "")) for one in ids]})


class _Timed:
    """Runs the parts of a stage, tells which one is at work, and keeps their seconds."""

    def __init__(self, tell: Tell) -> None:
        self.tell, self.seconds = tell, dict[str, float]()

    def __call__(self, words: str, work: Callable[[], Any]) -> Any:
        self.tell(0, 0, words)
        begun = time.perf_counter()
        found = work()
        name = words.split(" · ")[0].split(" ")[0]
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - begun, 3)
        self.tell(1, 1, words)
        return found


def is_simulated(spec: Spec) -> Path | None:
    """Where the truth of a simulated shop lies beside its log, if it does."""
    folder = Path(str(spec.data.interactions)).parent
    truth = folder / "truth.json"
    return truth if "://" not in str(spec.data.interactions) and truth.is_file() else None
