"""Transforms of item images.

Every transform is a config (a frozen dataclass) whose `fit(catalog)` returns `(images, keys, strength) -> images`.
Draws depend on the key of an image; consecutive geometric transforms are one warp (`canvas.py`); pixels are computed by
OpenCV, or by torch on a GPU (`torch_backend.py`).
"""

from leaven.transforms.image.colors import Brightness, Contrast, Hue, Saturation
from leaven.transforms.image.compose import ImageChain, MaybeImage, SomeImageTransforms
from leaven.transforms.image.corruptions import AddImageNoise, BlurImage, CompressImage, ErasePatch, ResizeImage
from leaven.transforms.image.geometry import (
    CropImage,
    FlipImage,
    RotateImage,
    ShearImage,
    ShiftImage,
    ZoomImage,
)
from leaven.transforms.image.image_views import ImageViews, build_image_views
from leaven.transforms.image.keras import convert_keras_arguments
from leaven.transforms.image.mixup_cutmix import ImageCutmix, ImageMixup
from leaven.transforms.image.torch_backend import transform_tensor

__all__ = [
    "AddImageNoise",
    "BlurImage",
    "Brightness",
    "CompressImage",
    "Contrast",
    "CropImage",
    "ErasePatch",
    "FlipImage",
    "Hue",
    "ImageChain",
    "ImageCutmix",
    "ImageMixup",
    "ImageViews",
    "MaybeImage",
    "ResizeImage",
    "RotateImage",
    "Saturation",
    "ShearImage",
    "ShiftImage",
    "SomeImageTransforms",
    "ZoomImage",
    "build_image_views",
    "convert_keras_arguments",
    "transform_tensor",
]
