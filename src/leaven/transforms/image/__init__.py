"""Transforms of item images.

Every transform is a config (a frozen dataclass) whose `fit(catalog)` returns `(images, keys, strength) -> images`.
Draws depend on the key of an image; consecutive geometric transforms are one warp (`canvas.py`); pixels are computed by
OpenCV, or by torch on a GPU (`torch_backend.py`).
"""

from leaven.transforms.image.colors import Brightness, Contrast, Hue, Saturation
from leaven.transforms.image.compose import MaybePicture, PictureChain, SomePictureChanges
from leaven.transforms.image.corruptions import BlurPicture, ErasePatch, JpegPicture, NoisePicture, ResizePicture
from leaven.transforms.image.geometry import (
    CropPicture,
    FlipPicture,
    RotatePicture,
    ShearPicture,
    ShiftPicture,
    ZoomPicture,
)
from leaven.transforms.image.image_views import PictureViews, picture_views
from leaven.transforms.image.keras import like_keras
from leaven.transforms.image.mixup_cutmix import PictureCutmix, PictureMixup
from leaven.transforms.image.torch_backend import changed_tensor

__all__ = [
    "BlurPicture",
    "Brightness",
    "Contrast",
    "CropPicture",
    "ErasePatch",
    "FlipPicture",
    "Hue",
    "JpegPicture",
    "MaybePicture",
    "NoisePicture",
    "PictureChain",
    "PictureCutmix",
    "PictureMixup",
    "PictureViews",
    "ResizePicture",
    "RotatePicture",
    "Saturation",
    "ShearPicture",
    "ShiftPicture",
    "SomePictureChanges",
    "ZoomPicture",
    "changed_tensor",
    "like_keras",
    "picture_views",
]
