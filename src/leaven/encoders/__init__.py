"""What is an item as a vector of numbers? By its words, its attributes, or whatever an encoder reads.

A wish's `fit(catalog)` gives a callable `(catalog) -> float32 (items, width)`: a row of zeros where an item has nothing
of what is read, so that a missing modality is seen and not made up.
"""

from __future__ import annotations

from leaven.encoders.attributes import Attributes
from leaven.encoders.image_classifier import OwnPictures
from leaven.encoders.pretrained_image import PictureModel
from leaven.encoders.sentences import Sentences
from leaven.encoders.tfidf import TfIdf

__all__ = ["Attributes", "OwnPictures", "PictureModel", "Sentences", "TfIdf"]
