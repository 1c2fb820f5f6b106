"""Images are read from folders, tables and arrays, and embedded by our network or Inception."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bench.defects import ImageLaw
from typer.testing import CliRunner

import leaven
from leaven.cli.app import app
from leaven.datasets.images import Images, encode_image
from leaven.errors import DataError, SpecError
from leaven.modalities.image_rows import ImageRows
from leaven.nn.inception import ImageFeatureExtractor
from leaven.quality import EvaluationContext
from leaven.quality.loading import read_inputs

pytest.importorskip("torch")
REAL, HELD, NEW = (ImageLaw().rows(count, key) for count, key in ((60, 1), (90, 2), (60, 3)))
MEANS = ImageFeatureExtractor(
    "FID", lambda pictures: np.stack([one.mean(axis=(0, 1)) for one in pictures]).astype(np.float32)
)
QUICK = ["frechet", "copies", "category_mismatch"]


def written(rows: ImageRows, folder: Path) -> Path:
    """Pictures as files, in folders named after what they show."""
    for place, (pixels, label) in enumerate(zip(rows.pixels, rows.labels, strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{place:03}.png").write_bytes(encode_image(pixels, ".png"))
    return folder


def test_folders_give_labels_and_unreadable_files_are_counted(tmp_path: Path) -> None:
    folders = [written(one, tmp_path / name) for one, name in ((REAL, "real"), (HELD, "held"), (NEW, "new"))]
    (folders[2] / "disc" / "broken.jpg").write_bytes(b"no picture")
    (folders[2] / "disc" / "empty.jpg").write_bytes(b"")
    found = read_inputs(*folders)
    assert found.modality == "image"
    assert isinstance(found.new, ImageRows)
    assert sorted(found.new.labels) == sorted(NEW.labels)
    assert found.new.pixels.shape[1:] == (64, 64, 3)
    assert found.notes["unreadable_new_images"] == ("1 × not an image, or a broken one", "1 × an empty file")


def test_tables_arrays_and_image_containers_are_read_equally(tmp_path: Path) -> None:
    files = [(tmp_path / f"{place}.png") for place in range(len(NEW))]
    for file, pixels in zip(files, NEW.pixels, strict=True):
        file.write_bytes(encode_image(pixels, ".png"))
    table = tmp_path / "new.csv"
    pd.DataFrame({"photo": [f.name for f in files], "kind": NEW.labels, "title": NEW.captions}).to_csv(
        table, index=False
    )
    found = read_inputs(
        REAL, HELD, table, "image", context=EvaluationContext(column="photo", label="kind", caption="title")
    ).new
    assert (list(found.labels), list(found.captions)) == (list(NEW.labels), list(NEW.captions))
    np.testing.assert_array_equal(found.pixels, NEW.pixels)  # the smallest side is everybody's
    guessed = read_inputs(REAL, HELD, table, "image").new
    np.testing.assert_array_equal(guessed.pixels, NEW.pixels)
    pictures = Images.from_pixels(np.array(NEW.pixels), np.arange(len(NEW), dtype=np.int32))
    assert read_inputs(REAL.pixels, HELD.pixels, pictures).new.labels[:2] == ["", "1"]
    with pytest.raises(DataError, match="a column 'shows'"):
        read_inputs(REAL, HELD, table, "image", context=EvaluationContext(label="shows"))
    with pytest.raises(DataError, match="column of image files"):
        read_inputs(REAL, HELD, {"a": ["x", "y"]}, "image")


def test_a_side_without_images_and_held_out_training_images_raise_errors(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("photo\nnone.png\ngone.png\n")
    with pytest.raises(DataError, match="2 × no such file"):
        read_inputs(REAL, HELD, tmp_path / "new.csv", "image")
    mixed = ImageRows.from_pixels(np.concatenate([HELD.pixels, REAL.pixels[:20]]))
    with pytest.raises(DataError, match="20 of 110 held-out rows"):
        read_inputs(REAL, mixed, NEW)


def test_an_encoder_for_another_kind_raises_an_error() -> None:
    with pytest.raises(SpecError, match="only image uses it"):
        leaven.evaluate_quality(["a b"], ["a c"], ["a d"], "text", context=EvaluationContext(encoder="weights.pth"))
    with pytest.raises(SpecError, match="only sequence uses it"):
        leaven.evaluate_quality(REAL, HELD, NEW, "image", context=EvaluationContext(items=leaven.Catalog(["a"])))
    with pytest.raises(DataError, match="a file of weights"):
        leaven.evaluate_quality(REAL, HELD, NEW, context=EvaluationContext(encoder="no-such.pth"))


def test_only_the_distance_of_the_inception_network_is_named_fid() -> None:
    ours = leaven.evaluate_quality(REAL, HELD, NEW, metrics=QUICK)
    assert ours["frechet"].details.frechet_name == "Fréchet distance in our encoder"
    assert "60 training images into 4 classes" in ours.setup.encoder
    theirs = leaven.evaluate_quality(REAL, HELD, NEW, metrics=QUICK, context=EvaluationContext(encoder=MEANS))
    assert theirs["frechet"].details.frechet_name == "FID"
    from leaven.metrics.synthetic.distribution_distances import frechet_distance

    pool = HELD.pixels.mean(axis=(1, 2))
    whole = theirs["frechet"].details.value_of_all_rows
    spread = frechet_distance(NEW.pixels.mean(axis=(1, 2)), pool)
    assert whole == pytest.approx(spread, rel=0.5)  # the fold, a third of the held-out pictures, is left out


def test_without_labels_the_network_predicts_rotation_and_class_metrics_are_skipped() -> None:
    bare = [replace(one, labels=[""] * len(one), captions=[""] * len(one)) for one in (REAL, HELD, NEW)]
    found = leaven.evaluate_quality(*bare, metrics=[*QUICK, "image_text_match"])
    assert "rotation" in found.setup.encoder
    assert set(found.skipped_metrics) == {"category_mismatch", "image_text_match"}


def test_copies_are_found_after_compression_and_shown_with_their_source(tmp_path: Path) -> None:
    real, held = written(REAL, tmp_path / "real"), written(HELD, tmp_path / "held")
    new = written(NEW, tmp_path / "new")
    chance = np.random.default_rng(1)
    copied = np.clip(REAL.pixels[:1] + chance.integers(-3, 4, REAL.pixels[:1].shape), 0, 255).astype(np.uint8)
    (new / "copy.png").write_bytes(encode_image(copied[0], ".png"))
    asked = ["quality", "--modality", "image", "--real", str(real), "--held-out", str(held), "--synthetic", str(new)]
    asked += ["--metric", "copies", "--metric", "indd", "--drop-copies", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "out" / "quality.json").read_text())
    assert [Path(one["row"]).name for one in told["copies"]] == ["copy.png"]
    assert len((tmp_path / "out" / "new-without-copies.txt").read_text().splitlines()) == len(NEW)
    assert all(len(pair["images"]) == 2 for pair in told["neighbors"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2 * len(told["neighbors"])
    assert "Residual of the denoiser" in page
