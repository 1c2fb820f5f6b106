"""New rows next to real ones: marginal distributions, nearest neighbors and copies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.datasets.images import encode_data_uri, resize_image
from leaven.modalities import Modality, get_modality
from leaven.modalities.histograms import SIDES, Distribution, bin_values
from leaven.modalities.modality import ComparedSides, QualityInputs, R
from leaven.quality.quality_facts import CopiedRow, NeighborPair
from leaven.quality.reference_fit import ComparedRows, ReferenceFit

_N_PAIRS = 2  # rows of each rank shown with their neighbors
_IMAGE_SIZE = (96, 96)  # size of a shown image in pixels


def describe_distributions(
    modality: Modality[R], fit: ReferenceFit[R], sides: ComparedRows[R]
) -> tuple[Distribution, ...]:
    """Return the shares of the three sides for each property of the rows."""
    samples = (fit.members, fit.pool, sides.new)
    rows = (*fit.sampled, sides.chosen)
    histograms = list(modality.quality.describe(ComparedSides(rows, samples, fit.featurizer.info)))
    if unit := modality.quality.residual_unit:
        article = "an" if unit[0] in "aeiou" else "a"
        title, axis = f"Surprisal of {article} {unit}", "nats per event, under a chain of other real rows"
        histograms.append(bin_values(title, axis, [one.residuals[:, 0] for one in samples]))
    distances = [one.row_statistics["nearest"] for one in samples[1:]]
    nearest = bin_values("Distance to the nearest training row", "distance", distances)
    if nearest is not None:
        histograms.append(replace(nearest, shares=dict(zip(SIDES[1:], nearest.shares.values(), strict=True))))
    return tuple(one for one in histograms if one is not None)


def pair_with_nearest(
    modality: Modality[R], inputs: QualityInputs[R], sides: ComparedRows[R]
) -> tuple[NeighborPair, ...]:
    """Return new rows nearest to, at median distance from and farthest from a training row, each with that row."""
    distance, sources = sides.new.row_statistics["nearest"], sides.new.row_statistics["place"]
    order, middle = np.argsort(distance, kind="stable"), len(distance) // 2
    ranks = {
        "nearest": order[:_N_PAIRS],
        "middle": order[middle : middle + _N_PAIRS],
        "farthest": order[::-1][:_N_PAIRS],
    }
    pairs: dict[int, NeighborPair] = {}
    for rank, rows in ranks.items():
        for row in (int(one) for one in rows if int(one) not in pairs):
            source = int(sources[row])
            new, real = modality.quality.format_row(sides.chosen, row), modality.quality.format_row(inputs.real, source)
            shared = tuple(index for index, part in enumerate(new) if part in set(real))
            images: tuple[str, ...] = ()
            if load := modality.quality.load_image:
                both = (load(sides.chosen, row), load(inputs.real, source))
                images = tuple(encode_data_uri(resize_image(one, _IMAGE_SIZE, "contain")) for one in both)
            pairs[row] = NeighborPair(rank, round(float(distance[row]), 4), tuple(new), tuple(real), shared, images)
    return tuple(pairs.values())


def list_copies(inputs: QualityInputs[R]) -> tuple[CopiedRow, ...]:
    """Return all new rows that copy a real row, by name or index from 0.

    A copy repeats a whole training row, or for histories and texts one run of at least four fifths of its length; for
    images it differs by no more than compression and size.
    """
    sources = find_copy_sources(inputs)
    copied = np.flatnonzero(sources >= 0)
    if inputs.names is None:
        return tuple(CopiedRow(str(row), str(sources[row])) for row in copied.tolist())
    real, new = inputs.names
    return tuple(CopiedRow(new[row], real[int(sources[row])]) for row in copied.tolist())


def find_copy_sources(inputs: QualityInputs[R]) -> npt.NDArray[np.int64]:
    """Return the training row that each new row copies, int64 (new rows,); -1 for none."""
    return get_modality(inputs.modality).quality.find_copies(inputs.new, inputs.real)


def write_rows_without_copies(inputs: QualityInputs[R], folder: Path) -> Path:
    """Write the new rows that are no copies: Parquet of histories or of a table, `user,item,time` for logs, one text
    per line, the names of images. Return the path of the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = inputs.new.take(np.flatnonzero(find_copy_sources(inputs) < 0))
    return get_modality(inputs.modality).quality.write_rows(rows, inputs, folder)
