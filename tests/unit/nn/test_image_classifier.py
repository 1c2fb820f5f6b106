"""Tests of the image classifier."""

import numpy as np
import pytest

from contracts.test_image_generators import real
from leaven.errors import FitError

pytest.importorskip("torch")
from leaven.nn.image_classifier import (
    ImageClassifier,
    ImageClassifierShape,
    ImageClassifierTraining,
    train_image_classifier,
)


@pytest.fixture(scope="module")
def encoder() -> ImageClassifier:
    pictures, category = real()
    shape = ImageClassifierShape(2, (8, 16))
    return train_image_classifier(
        pictures, category.astype(np.int64) - 1, ImageClassifierTraining(key=1, steps=40, batch_size=32), shape=shape
    )


def test_the_classifier_and_its_vectors_separate_red_from_blue(encoder: ImageClassifier) -> None:
    pictures, category = real(96)
    assert (encoder.predict_probabilities(pictures.pixels).argmax(axis=1) == category - 1).mean() > 0.95
    assert np.allclose(encoder.predict_probabilities(pictures.pixels).sum(axis=1), 1, atol=1e-5)
    vectors = encoder.embed_images(pictures.pixels)
    assert vectors.shape == (96, 16)
    middle = [vectors[category == code].mean(axis=0) for code in (1, 2)]
    apart = np.linalg.norm(middle[0] - middle[1])
    assert apart > vectors[category == 1].std(axis=0).mean()


def test_a_vector_is_independent_of_the_batch_and_survives_saving(encoder: ImageClassifier, tmp_path) -> None:
    pixels = real(300)[0].pixels
    whole = encoder.embed_images(pixels)
    assert np.array_equal(encoder.embed_images(pixels[280:281])[0], whole[280])
    encoder.save(tmp_path)
    assert np.array_equal(ImageClassifier.load(tmp_path).embed_images(pixels), whole)
    assert encoder.embed_images(pixels[:0]).shape == (0, 16)


def test_training_steps_use_augmented_images() -> None:
    pictures, category = real(64)
    seen: list[int] = []

    def black(part, keys):
        seen.append(len(set(keys.tolist())))
        return type(part).from_pixels(np.zeros_like(part.pixels))

    blind = train_image_classifier(
        pictures, category.astype(np.int64) - 1, ImageClassifierTraining(key=1, steps=4, batch_size=32), black
    )
    assert seen == [32] * 4
    assert (blind.predict_probabilities(pictures.pixels).argmax(axis=1) == category - 1).mean() < 0.9


def test_a_single_class_raises_an_error() -> None:
    with pytest.raises(FitError, match="two classes"):
        train_image_classifier(real(8)[0], np.zeros(8, np.int64), ImageClassifierTraining(key=1))
