"""Synthetic rows resemble held-out real rows on a real dataset."""

import os
from pathlib import Path

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.filters.copies import CopyFilter
from leaven.filters.validity import Validity
from leaven.generators.sequence.markov import Markov
from leaven.ingest import build_histories, read_events

FILE = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "beauty" / "interactions.csv"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FILE.exists(), reason=f"needs {FILE}: set LEAVEN_DATA to the folder of the real data"),
]


def shown(rows: Histories) -> dict[str, float]:
    counts = np.sort(np.bincount(rows.items, minlength=rows.n_items + 1)[1:])
    places = 2 * np.arange(1, len(counts) + 1) - len(counts) - 1
    gaps = np.diff(rows.times)[np.diff(rows.event_rows()) == 0]
    return {
        "coverage": float((counts > 0).mean()),
        "share of the top 100": float(counts[-100:].sum() / counts.sum()),
        "gini": float(places @ counts / (len(counts) * counts.sum())),
        "events a row": float(rows.lengths.mean()),
        "gaps of 0": float((gaps == 0).mean()),
        "gaps above a month": float((gaps > 30 * 86_400).mean()),
    }


def test_markov_rows_are_within_a_fifth_of_held_out_real_rows() -> None:
    rows = build_histories(read_events(str(FILE))).histories
    held_out = rng.draw_uniform(rows.row_ids, 5) < 0.1
    train, held = rows.take(~held_out), rows.take(held_out)
    made = Markov().fit(train, 7).sample(rng.derive_user_ids([f"new{i}" for i in range(len(held))])).validate()
    real, new = shown(held), shown(made)
    assert {name: new[name] for name in real} == pytest.approx(real, rel=0.2)
    assert Validity().fit(train, 7)(made).accepted.all()
    assert CopyFilter().fit(train, 7)(made).accepted.mean() > 0.99
