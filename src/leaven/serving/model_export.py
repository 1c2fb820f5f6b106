"""`export_model`: a trained recommender as files that other programs read without leaven."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.errors import DataError, FitError
from leaven.protocols import FittedRecommender
from leaven.recommenders.item_knn import FittedItemKnn
from leaven.recommenders.linear_item_model import LinearItemModel
from leaven.recommenders.multimodal import MultimodalRecommender
from leaven.recommenders.popularity import FittedPopularity
from leaven.recommenders.rank_fusion import RankFusionRecommender
from leaven.recommenders.transformer import TransformerRecommender
from leaven.run_folder import write_json, write_text
from leaven.serving import standalone_scorer
from leaven.serving.model_card import build_model_card
from leaven.serving.scorer import ANONYMOUS_ROW_ID
from leaven.serving.trained_model import TrainedModel, load_trained_model
from leaven.storage import Arrays

MANIFEST_FILE, CARD_FILE, SCORER_FILE = "manifest.json", "model_card.md", "scorer.py"
MAX_DIFFERENCE = 1e-4
"""Largest difference of a score of the exported model, in float, from the trained one."""
_CHECKED_HISTORIES, _CHECKED_K = 200, 10


@dataclass(frozen=True)
class Parity:
    """Comparison of an exported form with the trained recommender.

    histories       number of histories that were compared, by their lists of 10 items
    same_items      mean share of the list that both have in common
    max_difference  largest difference of the scores at the same position
    """

    histories: int
    same_items: float
    max_difference: float


@dataclass(frozen=True)
class ModelManifest:
    """What an export holds.

    form     "onnx", "neighbors", "linear", "popularity" or "fusion"
    exact    parity of the float form; int8: of the quantized form, None without one
    files    file -> SHA-256
    license  of the model, as given; it follows from that of the data
    """

    form: str
    kind: str
    model: str
    version: str
    leaven: str
    n_items: int
    exact: Parity
    int8: Parity | None
    files: Mapping[str, str]
    license: str

    def to_json(self) -> dict[str, object]:
        """All fields as plain values."""
        return asdict(self)


def export_model(
    run: str | Path | TrainedModel, folder: str | Path, variant: str = "", license_name: str = "not stated"
) -> ModelManifest:
    """Write a trained recommender as ONNX or arrays, with `scorer.py`, `model_card.md` and `manifest.json`.

    run: folder of a run or of `leaven auto`, or a loaded model. folder: a new folder. The exported form is compared
    with the trained recommender before the folder is finished.

    Raises DataError for a folder that is not empty, or a recommender without an exported form; FitError where the
    scores differ by more than 1e-4.
    """
    model = run if isinstance(run, TrainedModel) else load_trained_model(run, variant)
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise DataError(str(folder), "a new or empty folder", "other files", "choose another folder with --out")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        form = _write_form(model.recommender, model, part)
        exact = _compare(model, part, int8=False)
        if exact.max_difference > MAX_DIFFERENCE:
            got = f"a difference of {exact.max_difference:.2g}"
            raise FitError("export_model", f"scores equal to {MAX_DIFFERENCE:g}", got, "report this as a bug")
        has_int8 = any(part.rglob("model.int8.onnx"))
        int8 = _compare(model, part, int8=True) if has_int8 else None
        shutil.copyfile(standalone_scorer.__file__, part / SCORER_FILE)
        manifest = ModelManifest(
            form=form,
            kind=model.kind,
            model=model.name,
            version=model.version,
            leaven=version("leaven"),
            n_items=model.n_items,
            exact=exact,
            int8=int8,
            files={},
            license=license_name,
        )
        parity = {"exact": exact, "int8": int8} if int8 else {"exact": exact}
        write_text(part / CARD_FILE, build_model_card(model, {n: asdict(p) for n, p in parity.items()}, license_name))
        manifest = replace(manifest, files=_hash_files(part))
        facts = json.loads((part / MANIFEST_FILE).read_text(encoding="utf-8"))
        write_json(part / MANIFEST_FILE, facts | manifest.to_json())
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def _write_form(fitted: FittedRecommender, model: TrainedModel, folder: Path) -> str:
    """Write the files of the scorer for one recommender; returns the form."""
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {"format": standalone_scorer.FORMAT}
    match fitted:
        case MultimodalRecommender():
            offset = float(rng.draw_uniform(np.array([ANONYMOUS_ROW_ID], np.uint64), 0)[0])
            share = float(fitted.item_table.cold_item_share)
            facts |= {"form": "onnx", "cold_item_share": share, "cold_offset": offset}
            arrays = _write_network(fitted.transformer, folder, facts)
            if facts["cold_item_share"]:
                arrays["is_cold"] = fitted.item_table.in_training[1:-1, 0].cpu().numpy() == 0
        case TransformerRecommender():
            facts |= {"form": "onnx"}
            arrays = _write_network(fitted, folder, facts)
        case FittedItemKnn():
            config = fitted.config
            facts |= {"form": "neighbors", "recency_power": config.recency_power, "max_events": config.max_events}
            base = config.popularity_weight * fitted.item_weights / fitted.item_weights.max()
            arrays = {"base": base[1:], "starts": fitted.starts[1:], "items": fitted.items - 1}
            arrays["values"] = fitted.similarity
        case LinearItemModel():
            facts |= {"form": "linear", "recency_power": fitted.weighting.recency_power}
            arrays = _list_linear_weights(fitted)
        case FittedPopularity():
            facts |= {"form": "popularity"}
            arrays = {"base": fitted.item_weights[1:]}
        case RankFusionRecommender():
            facts |= {"form": "fusion", "second_weight": fitted.second_weight, "offset": fitted.offset}
            facts["depth"] = fitted.depth
            arrays = {}
            for name, part in (("first", fitted.first), ("second", fitted.second)):
                _write_form(part, model, folder / name)
        case _:
            fix = "export a run of: transformer, multimodal, item_knn, ease, sparse_linear, time_linear, popularity"
            raise DataError(str(model.folder), "a recommender with an exported form", model.kind, fix)
    with (folder / "arrays.npz").open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    write_text(folder / "items.json", json.dumps(list(model.catalog.ids), ensure_ascii=False))
    write_json(folder / MANIFEST_FILE, facts)
    return str(facts["form"])


def _write_network(fitted: TransformerRecommender, folder: Path, facts: dict[str, Any]) -> Arrays:
    """Write both ONNX files; returns the arrays of histories without events."""
    from leaven.serving.onnx_graph import write_int8, write_onnx

    facts["max_length"] = fitted.config.max_length
    write_onnx(fitted, folder / "model.onnx")
    write_int8(folder / "model.onnx", folder / "model.int8.onnx")
    return {"base": fitted.network.counts.cpu().numpy()}


def _list_linear_weights(fitted: LinearItemModel) -> Arrays:
    """Weights of a linear model: sparse, or dense between some of the items.

    Raises DataError for a model that reads kinds of events, which an exported history does not have.
    """
    if fitted.weighting.target_kind is not None:
        fix = "serve it with `leaven serve`, or train it without target_kind"
        raise DataError("export_model", "a model of items alone", "a model that reads kinds of events", fix)
    n_items = len(fitted.item_weights) - 1
    base = fitted.popularity_weight * fitted.item_weights[1:] / fitted.item_weights.max()
    if fitted.dense_items is None:
        sparse = {"starts": fitted.weights.indptr, "items": fitted.weights.indices, "values": fitted.weights.data}
        return {"base": base, "rows": np.arange(n_items), **sparse}
    rows = np.full(n_items, -1)
    rows[fitted.dense_items - 1] = np.arange(len(fitted.dense_items))
    return {"base": base, "rows": rows, "items": fitted.dense_items - 1, "values": fitted.weights}


def _compare(model: TrainedModel, folder: Path, int8: bool) -> Parity:
    rows = model.take_test_histories(_CHECKED_HISTORIES)
    # exported histories have neither users nor times
    same_id, same_time = np.full(len(rows), ANONYMOUS_ROW_ID, np.uint64), np.zeros(len(rows.items), np.int64)
    rows = replace(rows, row_ids=same_id, times=same_time)
    ranked = model.recommender.recommend(rows, min(_CHECKED_K, model.n_items))
    scorer = standalone_scorer.Scorer(folder, int8)
    same, largest = 0.0, 0.0
    for row in range(len(rows)):
        expected = ranked.items[row][ranked.items[row] > 0] - 1
        found = scorer.rank(rows.row_items(row).astype(np.int64) - 1, len(expected), False)
        same += len({item for item, _ in found} & set(expected.tolist())) / max(len(expected), 1)
        differences = np.abs(np.array([score for _, score in found]) - ranked.scores[row][: len(found)])
        largest = max(largest, float(differences.max(initial=0.0)))
    return Parity(len(rows), round(same / max(len(rows), 1), 6), largest)


def _hash_files(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST_FILE)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
