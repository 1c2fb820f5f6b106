"""Texts are evaluated as rows of tokens; copies are listed and dropped on request."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bench.defects import TextLaw
from typer.testing import CliRunner

import leaven
from leaven.cli.app import app
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError
from leaven.metrics.synthetic.featurizers import TextEncoder
from leaven.modalities.text import build_text_rows
from leaven.quality import EvaluationContext, write_rows_without_copies
from leaven.quality.loading import read_inputs

REAL, HELD = TextLaw().rows(150, 1), TextLaw().rows(120, 2)
NEW = [*TextLaw().rows(100, 3), *REAL[:20]]


def test_texts_share_one_case_insensitive_vocabulary() -> None:
    first, second = build_text_rows([["Red mug, red LID"], ["blue mug"]])
    assert first.tokens.row_items(0).tolist() == [1, 2, 3, 1, 4]
    assert second.tokens.row_items(0).tolist() == [5, 2]
    np.testing.assert_allclose(first.character_shares[0], [np.log1p(16), 4 / 16, 0, 1 / 16])


def test_copies_of_texts_are_named_and_dropped(tmp_path: Path) -> None:
    found = leaven.evaluate_quality(REAL, HELD, NEW, metrics=["copies", "coverage"])
    assert found.modality == "text"
    copied = {int(one.row): int(one.source) for one in found.copies}
    assert {place: place - 100 for place in range(100, 120)}.items() <= copied.items()
    kept = write_rows_without_copies(read_inputs(REAL, HELD, NEW), tmp_path).read_text().splitlines()
    assert kept == [text for place, text in enumerate(NEW) if place not in copied]


def test_a_text_file_and_a_table_column_are_read_equally(tmp_path: Path) -> None:
    for name, texts in (("real", REAL), ("held", HELD), ("new", NEW)):
        (tmp_path / f"{name}.txt").write_text("\n".join(texts))
        pd.DataFrame({"id": range(len(texts)), "title": texts, "brand": "x"}).to_csv(tmp_path / f"{name}.csv")
    lines = leaven.evaluate_quality(
        *(tmp_path / f"{n}.txt" for n in ("real", "held", "new")), "text", metrics=["frechet"]
    )
    sources = [tmp_path / f"{n}.csv" for n in ("real", "held", "new")]
    cells = leaven.evaluate_quality(*sources, "text", metrics=["frechet"], context=EvaluationContext(column="title"))
    assert lines["frechet"] == cells["frechet"]
    with pytest.raises(DataError, match="brand"):
        leaven.evaluate_quality(*sources, "text", metrics=["frechet"])
    with pytest.raises(SpecError, match="column"):
        leaven.evaluate_quality(*sources, "tabular", metrics=["frechet"], context=EvaluationContext(column="title"))


def test_the_command_writes_a_page_a_result_and_the_rows_without_copies(tmp_path: Path) -> None:
    frames = {}
    for name, seed in (("real", 1), ("held", 2), ("new", 3)):
        chance = np.random.default_rng(seed)
        users = np.repeat(np.arange(60), 6)
        items = chance.integers(0, 40, 360)
        frames[name] = pd.DataFrame(
            {"user_id": users, "item_id": items, "timestamp": 1_600_000_000 + np.arange(360) * 50}
        )
    frames["new"].loc[:5, "item_id"] = frames["real"].loc[:5, "item_id"]
    for name, frame in frames.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    asked = ["quality", "--out", str(tmp_path / "out"), "--drop-copies", "--metric", "copies"]
    for option, name in (("--real", "real"), ("--held-out", "held"), ("--synthetic", "new")):
        asked += [option, str(tmp_path / f"{name}.csv")]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert "1 rows copy a real one" in done.output
    assert json.loads((tmp_path / "out" / "quality.json").read_text())["copies"] == [{"row": "0", "source": "0"}]
    assert "<h1" in (tmp_path / "out" / "report.html").read_text()
    kept = pd.read_csv(tmp_path / "out" / "new-without-copies.csv").sort_values("user", kind="stable")
    assert set(kept["user"]) == set(range(1, 60))
    assert kept["item"].tolist() == frames["new"]["item_id"][6:].tolist()


def test_unknown_words_have_weight_0() -> None:
    rows = Histories.from_lists([[1, 2], [2, 3], [1, 3, 4]], 6)
    encoder = TextEncoder.fit(rows, 1, width=2)
    strange = Histories.from_lists([[5, 6], [1, 2]], 6)
    points = encoder.embed(strange)
    assert not points[0].any()
    assert points[1].any()
    features, names = encoder.compute_features(strange)
    assert names[2] == "unknown words"
    np.testing.assert_allclose(features[:, 2], [1.0, 0.0])
    with pytest.raises(DataError, match="share a word"):
        TextEncoder.fit(Histories.from_lists([[1], [2]], 2), 1)


def test_a_file_without_texts_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(DataError, match="at least one text"):
        leaven.evaluate_quality(tmp_path / "empty.txt", HELD, NEW, "text")
