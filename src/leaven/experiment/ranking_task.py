"""How is a log prepared for ranking, and how are rankings judged?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.cleaning import clean
from leaven.config import Spec
from leaven.datasets.catalog import Catalog
from leaven.datasets.events import Events
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError
from leaven.experiment import adaptive_training
from leaven.experiment.evaluation_result import Judged
from leaven.experiment.split_storage import load_split, save_split
from leaven.experiment.test_time_augmentation import Views, recommend
from leaven.ingest import order, read, read_catalog
from leaven.ingest.id_mapping import Ordered
from leaven.ingest.reader import connect
from leaven.metrics.ranking.ranking_names import parse_all
from leaven.metrics.ranking.segments import segments
from leaven.profiling.log_statistics import health
from leaven.protocols import FittedRecommender, Ranked
from leaven.run_folder import read_json
from leaven.splits.log_splits import Split

READING = "1500MB"
"""Memory of the database while a log is read, cleaned and ordered; beyond it, it spills into the temporary folder."""

Timed = Callable[[str, Callable[[], Any]], Any]


def files(spec: Spec) -> list[str]:
    """The log, and the table of the items."""
    return [str(spec.data.interactions), *([str(spec.items.items)] if spec.items else [])]


def made(spec: Spec, timed: Timed) -> tuple[tuple[Split, Catalog], dict[str, Any]]:
    """Read, cleaned, ordered and split."""
    database = connect(READING)
    events: Events = timed("reading the log", lambda: read(spec.data, items=spec.items, connection=database))
    cleaned = timed("cleaning", lambda: clean(events, spec.clean))
    ordered: Ordered = timed("ordering events into histories", lambda: order(cleaned.events))
    catalog = timed("reading the items", lambda: _catalog(spec, ordered, cleaned.events))
    database.close()  # what it held in memory is not needed beside the split
    histories = replace(ordered.histories, catalog=catalog)
    split: Split = timed("split", lambda: spec.split.split(histories, rng.key(spec.seed, "split")))
    found = timed("health of the log", lambda: health(histories))
    facts = {
        "reading": dict(events.facts),
        "cleaning": list(cleaned.rules),
        "health": found,
        "split": dict(split.facts),
    }
    return (split, catalog), facts


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


def save(made: tuple[Split, Catalog], folder: Path) -> None:
    """The split and the catalogue."""
    save_split(*made, folder)


def without(made: tuple[Split, Catalog], keys: npt.NDArray[np.uint64]) -> tuple[Split, Catalog]:
    """The same without the users of these keys."""
    return made[0].without(keys), made[1]


load = load_split


def check(spec: Spec, parts: Split) -> None:
    """Raises DataError for lists longer than the catalogue; LeavenError for plans that the recommender cannot serve."""
    longest, items = parse_all(spec.evaluate.metrics).longest, parts.train.n_items
    if longest > items:
        fix = f"shorten it, for example ndcg@{max(1, items // 2)}"
        raise DataError("evaluate.metrics", f"lists of at most {items} items, as many as there are", f"@{longest}", fix)
    for arm in spec.arms:
        adaptive_training.check(arm.plan, spec.recommender, parts)


def judge(fitted: FittedRecommender, parts: Split, spec: Spec) -> Judged:
    """One value a user, and metrics of the whole catalogue, on full rankings."""
    test, train, metrics = parts.test, parts.train, parse_all(spec.evaluate.metrics)
    ranked = _ranked(fitted, test.histories, metrics.longest, train, spec)
    values = {name: metric(ranked, test, train) for name, metric in metrics.per_user.items()}
    pooled = {name: metric(ranked, train) for name, metric in metrics.catalog.items()}
    return Judged(values, pooled, fact={"views": spec.evaluate.views})


def _ranked(fitted: FittedRecommender, known: Histories, k: int, train: Histories, spec: Spec) -> Ranked:
    """Lists for histories as they are, or over several views of each; the same views for every arm and seed."""
    asked = spec.evaluate
    if asked.view is None:
        return fitted.recommend(known, k, asked.allow_repeats)
    views = Views(asked.view.fit(train), asked.views, rng.key(spec.seed, "view"))
    return recommend(fitted, known, k, views, asked.allow_repeats)


def users(parts: Split) -> npt.NDArray[np.uint64]:
    """The keys of the test users."""
    return parts.test.histories.keys


def labels(parts: Split) -> Mapping[str, npt.NDArray[np.str_]]:
    """By the length of their history, and by how popular their next item is."""
    return segments(parts.test, parts.train)


def more(spec: Spec, parts: Split, facts: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The best that can be reached, where the world is a simulated one."""
    best = best_reachable(spec, parts.test)
    return {} if best is None else {"comparison": {"truth": best}}


def best_reachable(spec: Spec, test: HeldOut) -> float | None:
    """NDCG of ranking by the true law, where the log is that of a simulated shop and the first metric is NDCG."""
    path, name = is_simulated(spec), spec.evaluate.metrics[0]
    if path is None or not name.startswith("ndcg@"):
        return None
    from leaven.simulator import Shop

    world = Shop(**read_json(path, "write the shop again: leaven simulate")["shop"]).open()
    best = world.best_ndcg(test, int(name.partition("@")[2]), not spec.evaluate.allow_repeats)
    return float(best.mean())


def is_simulated(spec: Spec) -> Path | None:
    """Where the truth of a simulated shop lies beside its log, if it does."""
    folder = Path(str(spec.data.interactions)).parent
    truth = folder / "truth.json"
    return truth if "://" not in str(spec.data.interactions) and truth.is_file() else None
