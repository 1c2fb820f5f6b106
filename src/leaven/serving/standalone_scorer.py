"""Scores items with a model that leaven exported. Needs numpy, and onnxruntime for networks; leaven is not needed.

    python scorer.py ITEM ITEM …        the ten best items after this history, oldest event first

This file is copied to the folder of each export as `scorer.py`.
"""

import json
import sys
from math import floor
from pathlib import Path

import numpy as np
import numpy.typing as npt

FORMAT = 1


class Scorer:
    """An exported model. folder: of the export; int8: use the quantized network, where the export has one."""

    def __init__(self, folder: str | Path = ".", int8: bool = False) -> None:
        self.folder = Path(folder)
        self.facts = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        if self.facts["format"] != FORMAT:
            raise ValueError(f"{folder}: a model of format {FORMAT} is needed, got format {self.facts['format']}")
        self.ids: list[str] = json.loads((self.folder / "items.json").read_text(encoding="utf-8"))
        self.numbers = {item: number for number, item in enumerate(self.ids)}
        with np.load(self.folder / "arrays.npz", allow_pickle=False) as held:
            self.arrays = {name: held[name] for name in held.files}
        if self.facts["form"] == "onnx":
            import onnxruntime

            file = self.folder / ("model.int8.onnx" if int8 else "model.onnx")
            self.session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        if self.facts["form"] == "fusion":
            self.parts = [Scorer(self.folder / name, int8 and name == "first") for name in ("first", "second")]

    def recommend(
        self, history: list[str], k: int = 10, exclude: tuple[str, ...] = (), allow_repeats: bool = False
    ) -> list[tuple[str, float]]:
        """The k best items after a history of item ids, best first, with scores. Unknown ids are ignored.

        Models that read times take the events as simultaneous.
        """
        events = np.array([self.numbers[item] for item in history if item in self.numbers], np.int64)
        barred = np.array([self.numbers[item] for item in exclude if item in self.numbers], np.int64)
        ranked = self.rank(events, k + len(barred), allow_repeats)
        return [(self.ids[item], score) for item, score in ranked if item not in set(barred.tolist())][:k]

    def rank(self, events: npt.NDArray[np.int64], k: int, allow_repeats: bool) -> list[tuple[int, float]]:
        """(index in `ids`, score) of the k best items."""
        if self.facts["form"] == "fusion":
            scores = self._fuse(events, max(k, self.facts["depth"]), allow_repeats)
        else:
            scores = self.score(events)
        if not allow_repeats:
            scores[events] = -np.inf
        order = [item for item in np.argsort(-scores, kind="stable").tolist() if scores[item] > -np.inf]
        share = self.facts.get("cold_item_share", 0.0)
        if share and len(events):
            return self._place_cold_items(scores, order, k, share)
        return [(item, float(scores[item])) for item in order[:k]]

    def score(self, events: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """float64 (items,): scores after these events, int64 (events,), indices in `ids`, oldest first."""
        form, arrays = self.facts["form"], self.arrays
        if form == "onnx" and len(events):
            length = self.facts["max_length"]
            padded = np.zeros((1, length), np.int64)
            padded[0, length - len(events[-length:]) :] = events[-length:] + 1
            return np.asarray(self.session.run(None, {"items": padded})[0][0], np.float64)
        scores = np.array(arrays["base"], np.float64)
        if form == "neighbors":
            for nth, item in enumerate(events[::-1][: self.facts["max_events"]].tolist(), 1):
                pairs = slice(arrays["starts"][item], arrays["starts"][item + 1])
                scores[arrays["items"][pairs]] += nth ** -self.facts["recency_power"] * arrays["values"][pairs]
        if form == "linear":
            back = np.arange(len(events), 0, -1.0)
            weights = np.zeros(len(scores))
            np.maximum.at(weights, events, back ** -self.facts["recency_power"])
            for item in np.flatnonzero(weights).tolist():
                row = int(arrays["rows"][item])  # of the items that have weights; -1: none
                if "starts" in arrays and row >= 0:
                    pairs = slice(arrays["starts"][row], arrays["starts"][row + 1])
                    scores[arrays["items"][pairs]] += weights[item] * arrays["values"][pairs]
                elif row >= 0:
                    scores[arrays["items"]] += weights[item] * arrays["values"][row]
        return scores

    def _fuse(self, events: npt.NDArray[np.int64], depth: int, allow_repeats: bool) -> npt.NDArray[np.float64]:
        total = np.zeros(len(self.ids))
        for part, weight in zip(self.parts, (1.0, self.facts["second_weight"]), strict=True):
            for rank, (item, _) in enumerate(part.rank(events, depth, allow_repeats), 1):
                total[item] += weight / (self.facts["offset"] + rank)
        return np.where(total > 0, total, -np.inf)

    def _place_cold_items(
        self, scores: npt.NDArray[np.float64], order: list[int], k: int, share: float
    ) -> list[tuple[int, float]]:
        """A list in which cold items have about `share` of the positions; they get scores of displaced items."""
        is_cold, offset = self.arrays["is_cold"], self.facts["cold_offset"]
        warm, cold = ([item for item in order if bool(is_cold[item]) == side][:k] for side in (False, True))
        ranked: list[tuple[int, float]] = []
        lowest = np.inf
        for place in range(min(k, len(warm) + len(cold))):
            wants_cold = floor((place + 1) * share + offset) > floor(place * share + offset)
            takes_cold = bool(cold) and (wants_cold or not warm)
            displaced = warm[0] if warm else cold[0]
            item = cold.pop(0) if takes_cold else warm.pop(0)
            lowest = min(lowest, float(scores[displaced]))
            ranked.append((item, lowest))
        return ranked


if __name__ == "__main__":
    for name, value in Scorer(Path(__file__).parent).recommend(sys.argv[1:]):
        print(f"{name}\t{value:.6f}")
