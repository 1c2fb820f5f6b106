"""The trained recommender of a run folder, with its catalog and the known histories of the users."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.config import Spec, load_spec
from leaven.config.experiment_spec import BASELINE
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.errors import DataError, LeavenError, SpecError, suggest_name
from leaven.experiment.split_storage import load_catalog
from leaven.facts.run_facts import FACTS_FILE
from leaven.protocols import FittedRecommender
from leaven.registry import find_kind, load_kind
from leaven.run_folder import SPEC_FILE, fingerprint_files, open_run, slugify

MODEL_FOLDER = "model"
SEARCH_SPEC_FILE = "best.toml"
"""Spec in the folder of `leaven auto`, which has one model and no variants."""
_PARTS = ("test", "valid", "control", "train", "unseen")
"""Files of histories; a user's longest history counts, the first of equal ones."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained recommender. version: hash of its files; variant: "" in the folder of `leaven auto`."""

    folder: Path
    variant: str
    seed: int
    kind: str
    version: str
    recommender: FittedRecommender
    catalog: Catalog
    spec: Spec

    @property
    def n_items(self) -> int:
        """Number of items of the catalog."""
        return len(self.catalog)

    @property
    def allow_repeats(self) -> bool:
        """Whether lists contain items of the history, as in the evaluation of the run."""
        return bool(self.spec.evaluate.allow_repeats)

    @property
    def name(self) -> str:
        """Folder and variant, for people."""
        return f"{self.folder.name} {self.variant or 'best'}"

    @cached_property
    def item_numbers(self) -> dict[str, int]:
        """Own id -> dense id, from 1."""
        return {original: number for number, original in enumerate(self.catalog.ids, 1)}

    @cached_property
    def known_histories(self) -> Histories | None:
        """The longest known history of each user; None where the folder holds no data."""
        paths = [self.folder / "data" / f"{part}.parquet" for part in _PARTS]
        existing = [path for path in paths if path.exists()]
        if not existing:
            return None
        rows = Histories.from_parquet(*existing)
        order = np.lexsort((np.arange(len(rows)), -rows.lengths, rows.row_ids))
        ids = rows.row_ids[order]
        return rows.take(order[np.append(True, ids[1:] != ids[:-1])] if len(order) else order)

    def find_history(self, user: str) -> Histories | None:
        """The known history of a user, by the id of the log; None for an unknown user."""
        rows = self.known_histories
        if rows is None or not len(rows):
            return None
        row_id = rng.derive_user_ids([user])[0]
        place = min(int(np.searchsorted(rows.row_ids, row_id)), len(rows) - 1)
        return rows.slice(place, place + 1) if rows.row_ids[place] == row_id else None

    def take_test_histories(self, n_users: int) -> Histories:
        """Known histories of at most `n_users` users, without empty ones; to compare two forms of a model."""
        rows = self.known_histories
        if rows is None:
            return Histories.from_lists([[1 + user % self.n_items] for user in range(n_users)], self.n_items)
        rows = rows.take(rows.lengths > 0)
        return rows.slice(0, min(n_users, len(rows)))

    def select_items(self, conditions: dict[str, list[str]]) -> npt.NDArray[np.bool_]:
        """bool (items + 1,): items whose attributes have one of the values; attribute: `category`, or a text column.

        Raises SpecError for an unknown attribute.
        """
        selected = np.ones(self.n_items + 1, bool)
        selected[0] = False
        for name, values in conditions.items():
            selected[1:] &= np.isin(self._read_attribute(name), values)
        return selected

    def _read_attribute(self, name: str) -> npt.NDArray[np.str_]:
        catalog = self.catalog
        if name == "category" and catalog.category is not None:
            return np.array(["", *catalog.categories])[catalog.category[1:]]
        if name not in catalog.texts:
            known = [*catalog.texts, *(["category"] if catalog.category is not None else [])]
            raise SpecError("filter", "an attribute of the catalog", repr(name), suggest_name(name, known))
        return np.array(catalog.texts[name])


def load_trained_model(folder: str | Path, variant: str = "", seed: int | None = None) -> TrainedModel:
    """Load the recommender that a run or `leaven auto` has trained.

    variant: by default the one with the highest lift among those that helped, else the baseline. seed: by default the
    first. Nothing in the folder is executed: weights are safetensors, arrays are npz files without pickled objects.

    Raises DataError for a folder without such a model, or with a model of another version of leaven.
    """
    folder = Path(folder)
    run = open_run(folder)
    is_search = (folder / MODEL_FOLDER).is_dir()
    try:
        spec = load_spec(folder / (SEARCH_SPEC_FILE if is_search else SPEC_FILE))
        if spec.task != "ranking":
            raise DataError(str(folder), "a run of the ranking task", spec.task, "serve a run of a recommender")
        if is_search:
            model_folder, variant, seed = folder / MODEL_FOLDER, variant or "", 0
        else:
            variant = variant or _choose_variant(folder)
            model_folder = _find_training(run.variant_folder(variant), variant, seed) / MODEL_FOLDER
            seed = int(model_folder.parent.name.removeprefix("seed-"))
        kind = find_kind("recommenders", spec.recommender)
        recommender = load_kind("recommenders", kind).load(model_folder)
        catalog = load_catalog(folder / "data" / "catalog.parquet")
    except (DataError, SpecError):
        raise
    except LeavenError as error:
        raise DataError(error.where, error.expected, error.got, error.fix) from error
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        fix = "train it again with this version: leaven run SPEC"
        got = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise DataError(str(folder), "a model of this version of leaven", got, fix) from error
    files = sorted(str(path) for path in model_folder.rglob("*") if path.is_file())
    version = fingerprint_files(files)
    return TrainedModel(folder, variant, seed, kind, version, recommender, catalog, replace(spec))


def _choose_variant(folder: Path) -> str:
    """The variant with the highest lift among those that helped; the baseline where none did."""
    from leaven.facts.run_facts import read_run_facts

    if not (folder / FACTS_FILE).exists():
        return BASELINE
    comparison = read_run_facts(folder).comparison
    effects = [] if comparison is None else [one for one in comparison.effects if one.verdict == "helped"]
    return max(effects, key=lambda one: one.lift or 0.0).variant if effects else BASELINE


def _find_training(folder: Path, variant: str, seed: int | None) -> Path:
    """The folder of a training of a variant; of the smallest seed for None."""
    seeds = sorted(
        (int(path.name.removeprefix("seed-")), path)
        for path in folder.glob("seed-*")
        if (path / MODEL_FOLDER).is_dir() and path.name.removeprefix("seed-").isdigit()
    )
    wanted = [path for number, path in seeds if seed in (None, number)]
    if not wanted:
        known = sorted(path.name for path in folder.parent.glob("*/")) if folder.parent.is_dir() else []
        got = "none" if not seeds else f"seeds {[number for number, _ in seeds]}"
        raise DataError(f"variant {variant!r}", "a trained model", got, suggest_name(slugify(variant), known))
    return wanted[0]
