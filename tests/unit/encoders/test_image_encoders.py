"""Tests of image encoders."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leaven.datasets.catalog import Catalog
from leaven.encoders import ImageClassifierEncoder, PretrainedImageEncoder
from leaven.errors import DataError, SpecError
from leaven.simulator.item_generation import draw_image, encode_png

pytest.importorskip("cv2")
torch = pytest.importorskip("torch")
INKS = ((220, 30, 30), (30, 60, 220))
SMALL = ImageClassifierEncoder(size=16, widths=(8, 8), steps=60, batch=16, learning_rate=1e-2)


def catalog(n: int = 40, **more) -> Catalog:
    """Red things and blue ones, by turns; the last item has no picture."""
    pixels = np.stack([draw_image(i % 5, INKS[i % 2], 0, i)[::4, ::4] for i in range(n)])
    category = np.array([0, *[i % 2 + 1 for i in range(n)]], np.int32)
    images = [f"{i}.png" for i in range(n - 1)] + [""]
    return replace(
        Catalog([str(i) for i in range(n)], {}, category, ["red", "blue"]), image_paths=images, pixels=pixels, **more
    )


def test_images_of_one_category_have_similar_vectors() -> None:
    vectors = SMALL.fit(catalog(), 1)(catalog())[:-1]
    likeness = vectors @ vectors.T
    same = np.equal.outer(np.arange(39) % 2, np.arange(39) % 2)
    np.fill_diagonal(likeness, np.nan)
    assert np.nanmean(likeness[same]) > np.nanmean(likeness[~same]) + 0.2


def test_an_image_is_encoded_only_once() -> None:
    fitted = SMALL.fit(catalog(), 1)
    asked = []
    counted = replace(fitted, encode_pixels=lambda pixels: (asked.append(len(pixels)), fitted.encode_pixels(pixels))[1])
    first = counted(catalog())
    changed = catalog()
    changed.pixels[3] = 255
    again = counted(changed)
    assert asked == [39, 1]
    assert not np.array_equal(first[3], again[3])
    assert np.array_equal(np.delete(first, 3, 0), np.delete(again, 3, 0))


def test_network_and_vectors_are_cached_by_the_hash_of_their_inputs(tmp_path, monkeypatch) -> None:
    wish = replace(SMALL, cache=str(tmp_path))
    first = wish.fit(catalog(), 1)(catalog())
    monkeypatch.setattr("leaven.nn.image_classifier.train_image_classifier", None)  # no further training
    assert np.array_equal(wish.fit(catalog(), 1)(catalog()), first)
    with pytest.raises(TypeError):
        wish.fit(catalog(), 2)


def test_unreadable_images_have_zero_vectors_and_are_counted(tmp_path) -> None:
    for i in range(8):
        (tmp_path / f"{i}.png").write_bytes(encode_png(draw_image(i % 4, INKS[i % 2], 0, i)))
    (tmp_path / "5.png").write_bytes(b"GIF?")
    items = replace(catalog(9), pixels=None, image_folder=tmp_path)
    fitted = replace(SMALL, steps=2).fit(items, 1)
    assert fitted(items).any(axis=1).tolist() == [True] * 5 + [False, True, True, False]
    assert fitted.unreadable_counts == {"not an image, or a broken one": 1}


def test_fewer_than_two_categories_raise_an_error() -> None:
    with pytest.raises(DataError, match="picture_model"):
        SMALL.fit(replace(catalog(), category=None))
    assert not SMALL.can_encode(Catalog(["a"], image_paths=[""]))


class Means(torch.nn.Module):
    """The mean of each colour, and a map of features that must be averaged over places."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.eye(width, 3))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,dc->ndhw", pictures, self.weight)


def plain(**fields) -> PretrainedImageEncoder:
    return PretrainedImageEncoder(size=16, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), **fields)


def colours() -> np.ndarray:
    """Mean colours of length 1: what `Means` must give."""
    means = catalog().pixels[:-1].astype(np.float64).mean(axis=(1, 2))
    return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_file_encodes_images(tmp_path) -> None:
    torch.jit.trace(Means(), torch.zeros(2, 3, 16, 16)).save(tmp_path / "net.pt")
    fitted = plain(weights=str(tmp_path / "net.pt")).fit(catalog())
    np.testing.assert_allclose(fitted(catalog())[:-1], colours(), atol=1e-5)
    assert fitted.width == 3


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_state_dict_is_loaded_into_the_network_of_the_factory(tmp_path, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": Means(4).state_dict()}, path)
    else:
        from safetensors.torch import save_file

        save_file(Means(4).state_dict(), path)
    wish = plain(weights=str(path), factory=f"{__name__}:Means", arguments={"width": 4})
    fitted = wish.fit(catalog())
    assert fitted.width == 4
    np.testing.assert_allclose(fitted(catalog())[:-1, :3], colours(), atol=1e-5)
    with pytest.raises(DataError, match="weights of"):
        replace(wish, arguments={"width": 5}).fit(catalog())


def test_a_clip_folder_returns_image_embeddings(tmp_path) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    shape = transformers.CLIPConfig(
        text_config={**sizes, "vocab_size": 20}, vision_config={**sizes, "image_size": 16, "patch_size": 8}
    )
    shape.projection_dim = 6
    transformers.CLIPModel(shape).save_pretrained(tmp_path)
    fitted = plain(weights=str(tmp_path)).fit(catalog())
    vectors = fitted(catalog())
    assert vectors.shape == (40, 6)
    np.testing.assert_allclose(np.linalg.norm(vectors[:-1], axis=1), 1, atol=1e-5)
    assert not vectors[-1].any()


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (lambda folder: plain(weights=""), "none"),
        (lambda folder: plain(weights=str(folder / "gone.pt")), "none"),
        (lambda folder: plain(weights=str(folder)), "model that can be read"),
        (lambda folder: plain(weights=str(folder / "text.pt")), "TorchScript"),
        (lambda folder: plain(weights=str(folder / "text.pt"), factory="missing_library:net"), "installed library"),
        (lambda folder: plain(weights=str(folder / "text.pt"), factory="torch:no_such_net"), "no_such_net"),
    ],
)
def test_unusable_weights_raise_an_error_with_their_name(tmp_path: Path, wish, said: str) -> None:
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(DataError, match=said):
        wish(tmp_path).fit(catalog())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ImageClassifierEncoder(size=4),
        lambda: ImageClassifierEncoder(widths=()),
        lambda: ImageClassifierEncoder(batch=1),
        lambda: PretrainedImageEncoder(factory="timm.create_model"),
        lambda: PretrainedImageEncoder(std=(0.0, 1.0, 1.0)),
    ],
)
def test_invalid_configs_raise_an_error(wrong) -> None:
    with pytest.raises(SpecError):
        wrong()
