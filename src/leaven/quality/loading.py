"""Reads the three sets of rows of an evaluation and checks that held-out rows are held out."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.errors import DataError, SpecError
from leaven.modalities import Modality, get_modality, list_modalities
from leaven.modalities.modality import NO_CONTEXT, ROLES, EvaluationContext, QualityInputs, R

_MAX_OVERLAP = 0.01  # maximum excess share of held-out rows that equal a training row
_MAX_COUNTED_ROWS = 20_000  # training rows in the estimate of the usual share of equal rows


def read_inputs(
    real: object,
    held_out: object,
    new: object,
    modality: str = "",
    key: int = 0,
    context: EvaluationContext = NO_CONTEXT,
) -> QualityInputs[Any]:
    """Return histories (logs in every form that leaven reads, Parquet of histories), tables (CSV, Parquet, frames),
    texts, or images (folders, lists and tables of files, arrays).

    Without a modality, a source with columns for user, item and time is read as histories, another file as a table, a
    list of strings as texts, and a folder or an array of images as images. Of a Parquet file with real and synthetic
    rows, the synthetic ones are the new ones.

    Raises DataError for different catalogs or columns, and for held-out rows that are training rows; SpecError for an
    unknown modality, and for an input that it does not use.
    """
    chosen = get_modality(modality) if modality else infer_modality(real)
    given = {field.name for field in fields(context) if getattr(context, field.name) not in (None, "")}
    for name in sorted(given - set(chosen.quality.context_fields)):
        users = " and ".join(one.name for one in list_modalities() if name in one.quality.context_fields)
        expected = f"no value for modality {chosen.name}: only {users} uses it"
        raise SpecError(name, expected, "a value", "leave it out")
    inputs = chosen.quality.read((real, held_out, new), context)
    _check_overlap(inputs, chosen, key)
    return inputs


def infer_modality(source: object) -> Modality[Any]:
    """Return the first modality that owns a source, else the first that it resembles."""
    modalities = list_modalities()
    owner = next((one for one in modalities if one.quality.owns(source)), None)
    return owner or next(one for one in modalities if one.quality.resembles(source))


def _check_overlap(inputs: QualityInputs[R], modality: Modality[R], key: int) -> None:
    """Raise DataError for held-out rows that equal training rows more often than unseen rows by chance."""
    hashes = [modality.quality.hash_rows(rows) for rows in (inputs.real, inputs.held_out, inputs.new)]
    for role, rows in zip(ROLES, hashes, strict=True):
        if not len(rows):
            raise DataError(role, "at least one row", "none", "")
    real, held, _ = hashes
    shared = np.isin(held, real)
    if shared.mean() > _measure_usual_share(real, key) + _MAX_OVERLAP:
        got = f"{int(shared.sum()):,} of {len(held):,} held-out rows ({shared.mean():.0%}) that are training rows too"
        fix = "hold out rows that no generator has seen, and take them out of the training file"
        raise DataError("held-out", "rows that are not in the real (training) file", got, fix)
    inputs.notes["held_out_rows_equal_to_a_training_row"] = int(shared.sum())


def _measure_usual_share(identities: npt.NDArray[np.uint64], key: int) -> float:
    """Return the share of training rows that equal another training row."""
    chosen = rng.make_generator(rng.derive_key(key, "overlap")).permutation(len(identities))[:_MAX_COUNTED_ROWS]
    _, index, counts = np.unique(identities, return_inverse=True, return_counts=True)
    return float((counts[index[chosen]] > 1).mean())
