"""Item encoders: vectors from text, attributes and images.

`fit(catalog)` of an encoder returns a callable `(catalog) -> float32 (items, width)`, with zero rows for items that
lack the modality.
"""

from __future__ import annotations

from leaven.encoders.attributes import Attributes
from leaven.encoders.image_classifier import ImageClassifierEncoder
from leaven.encoders.pretrained_image import PretrainedImageEncoder
from leaven.encoders.sentences import SentenceEncoder
from leaven.encoders.tfidf import TfIdf

__all__ = ["Attributes", "ImageClassifierEncoder", "PretrainedImageEncoder", "SentenceEncoder", "TfIdf"]
