"""Removal of users from a run: their rows, and all rows derived from them.

Files are rewritten one by one, each under a temporary name that is then renamed. The request is noted before and
marked as done after: repeating the call finishes an interrupted erasure, and until then the run refuses other work.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from leaven import rng
from leaven.config import Spec, load_spec
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.datasets.log_names import NAMES_FILE, remove_users
from leaven.errors import DataError
from leaven.experiment import tasks
from leaven.experiment.expanded_tables import remove_event_tables
from leaven.facts import JsonObject
from leaven.provenance import facts_scrubbing
from leaven.provenance.mixed_rows import MixedRowFinder, mixes_users
from leaven.provenance.row_files import RowFile, RowIds, list_row_files, load_row_names, load_rows
from leaven.provenance.user_columns import UserColumns
from leaven.run_folder import ERASURES_FILE, RECORDS_FILE, SPEC_FILE, RunFolder, open_run, slugify, write_json
from leaven.storage import replace_file

MAX_VISITS = 10_000
"""Maximum visits per user that are searched, where cleaning turns each visit into a history."""


@dataclass(frozen=True)
class ErasureResult:
    """What an erasure removed, and what it could not remove.

    removed_rows    part of the split, or variant -> number of removed rows
    mixed_rows      variant -> removed rows that derive from another user and may hold events of these users
    removed_values  number of values of single users that were removed from the results
    trained_models  fitted models in the folder whose training, or early stopping, used the rows
    trained_steps   variant -> steps whose other rows come from a generator fitted on the rows, or may hold cells of
                    them
    remaining       what else still contains the users, and what to do about it
    """

    users: tuple[str, ...]
    removed_rows: dict[str, int] = field(default_factory=dict)
    mixed_rows: dict[str, int] = field(default_factory=dict)
    removed_values: int = 0
    trained_models: tuple[str, ...] = ()
    trained_steps: dict[str, list[str]] = field(default_factory=dict)
    remaining: tuple[str, ...] = ()

    def as_dict(self) -> JsonObject:
        """All fields, for JSON."""
        return asdict(self)


def erase_users(folder: str | Path, users: Sequence[str]) -> ErasureResult:
    """Remove users from the folder of a run: their rows in every part of the split, every row that derives from them
    in any variant, through any number of steps, their values in the results, and examples that quote them.

    users: ids as in the log. Figures, models and fitted generators stay; the result lists them. A split that the
    folder creates again leaves the users out: erased.json holds hashes of their ids.

    Raises DataError for a user without rows in any file, and where a part of the split would become empty.
    """
    run = open_run(Path(folder))
    config = load_spec(run.path / SPEC_FILE)
    earlier = run.read_erasures()
    known = _select_known(run, _hash_users(users, config), users, earlier)
    pending = np.array([int(key, 16) for key, is_done in earlier.items() if not is_done], np.uint64)
    keys = _add_row_ids(run, np.unique(np.concatenate([known, pending])))
    for file in list_row_files(run):
        if (
            not file.is_variant
            and file.part in ("train", "valid", "test")
            and load_row_names(file.path).match(keys).all()
        ):
            fix = "delete the folder, and run again on a log without them"
            raise DataError(str(run.path), f"other users in {file.part}", "none", fix)
    request = {f"{int(key):016x}": False for key in [*known, *pending]}
    write_json(run.path / ERASURES_FILE, earlier | request)
    result = _erase_rows(run, config, keys, tuple(users))
    run.renew_digests()
    write_json(run.path / ERASURES_FILE, earlier | dict.fromkeys(request, True))
    return result


def _hash_users(users: Sequence[str], config: Spec) -> dict[int, str]:
    """Hashed id -> user; with the user's visits where cleaning gives each an id."""
    if not users:
        raise DataError("erase", "a user", "none", "leaven erase RUN --user USER")
    hashes = dict(zip(rng.derive_user_ids(list(users)).tolist(), users, strict=True))
    if not config.clean.session_gap_hours:
        return hashes
    for user in users:
        visits = rng.derive_user_ids([f"{user}#{number}" for number in range(1, MAX_VISITS + 1)])
        hashes |= dict.fromkeys(visits.tolist(), user)
    return hashes


def _select_known(run: RunFolder, hashes: dict[int, str], users: Sequence[str], earlier: dict[str, bool]) -> RowIds:
    """The hashed ids that a file contains, or that an interrupted erasure noted."""
    wanted = np.array(sorted(hashes), np.uint64)
    is_known = np.array([earlier.get(f"{key:016x}") is False for key in wanted.tolist()], bool)
    for file in list_row_files(run):
        names = load_row_names(file.path)
        is_known |= np.isin(wanted, names.row_ids) | np.isin(wanted, names.users)
    for user in users:
        mine = np.array([hashes[key] == user for key in wanted.tolist()], bool)
        if not (mine & is_known).any():
            was_erased = any(earlier.get(f"{key:016x}") for key in wanted[mine].tolist())
            got = f"{user!r}, erased before" if was_erased else f"{user!r}, without rows in any file"
            fix = "nothing is left to do" if was_erased else "ids are those of the log, as text: 007 is not 7"
            raise DataError(str(run.path), "a user of this run", got, fix)
    known: RowIds = wanted[is_known]
    return known


def _add_row_ids(run: RunFolder, keys: RowIds) -> RowIds:
    """The ids of these users and, where a user has many rows (samples), of all their real rows."""
    ids = [keys]
    for file in list_row_files(run):
        names = load_row_names(file.path)
        mine = np.isin(names.users, keys) & (names.row_ids == names.parents)
        if mine.any():
            ids.append(names.row_ids[mine])
    return np.unique(np.concatenate(ids))


def _erase_rows(run: RunFolder, config: Spec, keys: RowIds, users: tuple[str, ...]) -> ErasureResult:
    """Everything but the note. Quotes go first, while the rows that identify them exist; test users go last, since
    values are identified by positions among them."""
    files = list(list_row_files(run))
    split_files = [file for file in files if not file.is_variant]
    were_trained_on = any(load_row_names(f.path).match(keys).any() for f in split_files if f.part in ("train", "valid"))
    facts_scrubbing.scrub_facts(run, config, keys, users)
    _drop_unfinished(run)
    result = ErasureResult(users, removed_values=_remove_values(run, config, keys))
    remover = _RowRemover(config, keys, MixedRowFinder.from_run(run, config, keys), UserColumns.from_run(run, keys))
    variant_files = [file for file in files if file.is_variant and file.path.exists()]
    for file in [*variant_files, *split_files]:
        remover.remove(file, result)
    remove_users(run.data_folder / NAMES_FILE, keys)
    if remove_event_tables(run):
        result = replace(result, remaining=("events/ was deleted: write it again with leaven expand RUN --resume",))
    parts = [file.part for file in split_files if file.part in result.removed_rows]
    result = replace(result, removed_rows={part: result.removed_rows[part] for part in [*parts, *result.removed_rows]})
    if not were_trained_on:
        return result
    return replace(
        result,
        trained_models=tuple(str(path.relative_to(run.path)) for path in sorted(run.variants_folder.glob("*/seed-*"))),
        trained_steps=_list_fitted_steps(config),
        remaining=(
            *result.remaining,
            f"the log itself ({config.data.interactions}) is unchanged: erase the user there, too",
            "figures of facts.json and the report were computed with these users",
            "erased.json keeps a hash of the user's id, so that the rows do not come back",
        ),
    )


def _drop_unfinished(run: RunFolder) -> None:
    """Delete unfinished trainings and expansions: a checkpoint was trained on the rows, a partial expansion has blocks
    of the rows that were there."""
    for note in sorted((run.path / "stages").glob("*.json")):
        if json.loads(note.read_text(encoding="utf-8"))["is_done"]:
            continue
        for folder in run.variants_folder.glob("*"):
            outputs = {f"rows-{folder.name}": folder / "expanded"}
            outputs |= {
                slugify(f"fit {folder.name} {fit.name.partition('-')[2]}"): fit for fit in folder.glob("seed-*")
            }
            if note.stem in outputs:
                shutil.rmtree(outputs[note.stem], ignore_errors=True)


def _remove_values(run: RunFolder, config: Spec, keys: RowIds) -> int:
    """Remove the values of test users, identified by position; then records, identified by the user's hashed id.
    Returns the number of removed records.

    Values of groups of rows, whose users are not stored, are removed as a whole.
    """
    job = tasks.of(config.task)
    is_erased = np.isin(job.list_users(job.load_parts(run.data_folder)), keys)
    for path in sorted(run.variants_folder.glob("*/seed-*/values.npz")):
        with np.load(path) as file:
            values = {name: file[name] for name in file.files}
        rest = {name: array[~is_erased] for name, array in values.items() if len(array) == len(is_erased)}
        n_left = int((~is_erased).sum())
        rest |= {name: array for name, array in values.items() if is_erased.any() and len(array) == n_left}
        with replace_file(path) as part, part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **rest)
    return _remove_records(run.path / RECORDS_FILE, keys)


def _remove_records(path: Path, keys: RowIds) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return 0
    table = pq.read_table(path)
    is_erased = np.isin(np.asarray(table.column("user"), np.uint64), keys)
    if is_erased.any():
        with replace_file(path) as part:
            pq.write_table(table.filter(pa.array(~is_erased)), part)
    return int(is_erased.sum())


@dataclass(frozen=True)
class _RowRemover:
    """Removes rows of the users from one file after another. keys: of the users and their real rows."""

    config: Spec
    keys: RowIds
    mixed: MixedRowFinder
    columns: UserColumns

    def remove(self, file: RowFile, result: ErasureResult) -> None:
        """Rewrite a file without rows of the users, and count them in the result."""
        variants = {
            slugify(name): name for name in (BASELINE, CONTROL, *(variant.name for variant in self.config.variants))
        }
        part = variants.get(file.part, file.part) if file.is_variant else file.part
        is_erased = load_row_names(file.path).match(self.keys)
        if self.mixed.may_contain(file):
            is_mixed = self.mixed.find_rows(file) & ~is_erased
            _add_count(result.mixed_rows, part, int(is_mixed.sum()))
            is_erased = is_erased | is_mixed
        is_named = self.columns.find_rows(file)
        if is_named is not None:
            is_erased = is_erased | is_named
        if is_erased.any() or is_named is not None:
            rest = load_rows(file.path).take(~is_erased)
            (rest if is_named is None else self.columns.drop_users(rest)).write_file(file.path)
            _add_count(result.removed_rows, part, int(is_erased.sum()))


def _add_count(counts: dict[str, int], part: str, n: int) -> None:
    if n:
        counts[part] = counts.get(part, 0) + n


def _list_fitted_steps(config: Spec) -> dict[str, list[str]]:
    """Variant -> its generators, whose other rows follow from what they were fitted on; of labelled rows its mixtures
    too, whose cells do not identify their source."""
    is_tabular = config.task == "ctr"
    found = {
        variant.name: [
            step.display_name
            for step in variant.plan.named_steps
            if step.is_generator or (is_tabular and mixes_users(step.use))
        ]
        for variant in config.variants
    }
    return {name: steps for name, steps in found.items() if steps}
