"""Tests of the image classifier."""

import numpy as np
import pytest

from contracts.test_image_generators import real
from leaven.errors import FitError

pytest.importorskip("torch")
from leaven.nn.image_classifier import PictureEncoder, PictureShape, PictureTraining, learn


@pytest.fixture(scope="module")
def encoder() -> PictureEncoder:
    pictures, category = real()
    shape = PictureShape(2, (8, 16))
    return learn(pictures, category.astype(np.int64) - 1, PictureTraining(key=1, steps=40, batch=32), shape=shape)


def test_the_classifier_and_its_vectors_separate_red_from_blue(encoder: PictureEncoder) -> None:
    pictures, category = real(96)
    assert (encoder.chances(pictures.pixels).argmax(axis=1) == category - 1).mean() > 0.95
    assert np.allclose(encoder.chances(pictures.pixels).sum(axis=1), 1, atol=1e-5)
    vectors = encoder.embed(pictures.pixels)
    assert vectors.shape == (96, 16)
    middle = [vectors[category == code].mean(axis=0) for code in (1, 2)]
    apart = np.linalg.norm(middle[0] - middle[1])
    assert apart > vectors[category == 1].std(axis=0).mean()


def test_a_vector_is_independent_of_the_batch_and_survives_saving(encoder: PictureEncoder, tmp_path) -> None:
    pixels = real(300)[0].pixels
    whole = encoder.embed(pixels)
    assert np.array_equal(encoder.embed(pixels[280:281])[0], whole[280])
    encoder.save(tmp_path)
    assert np.array_equal(PictureEncoder.load(tmp_path).embed(pixels), whole)
    assert encoder.embed(pixels[:0]).shape == (0, 16)


def test_training_steps_use_augmented_images() -> None:
    pictures, category = real(64)
    seen: list[int] = []

    def black(part, keys):
        seen.append(len(set(keys.tolist())))
        return type(part).of(np.zeros_like(part.pixels))

    blind = learn(pictures, category.astype(np.int64) - 1, PictureTraining(key=1, steps=4, batch=32), black)
    assert seen == [32] * 4
    assert (blind.chances(pictures.pixels).argmax(axis=1) == category - 1).mean() < 0.9


def test_a_single_class_raises_an_error() -> None:
    with pytest.raises(FitError, match="two classes"):
        learn(real(8)[0], np.zeros(8, np.int64), PictureTraining(key=1))
