"""Image transforms against hand calculations."""

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images
from leaven.errors import SpecError
from leaven.kernels import image_kernels as kernels
from leaven.simulator.item_generation import draw_image, encode_png
from leaven.transforms.image import (
    AddImageNoise,
    BlurImage,
    Brightness,
    Contrast,
    CropImage,
    ErasePatch,
    FlipImage,
    Hue,
    ImageChain,
    ImageCutmix,
    ImageMixup,
    ResizeImage,
    RotateImage,
    Saturation,
    ShearImage,
    ShiftImage,
    SomeImageTransforms,
    ZoomImage,
    convert_keras_arguments,
)
from leaven.transforms.image.canvas import OpenCvBackend

pytest.importorskip("cv2")
NOTHING = Catalog(ids=[])


def some(count=6, side=12):
    draw = np.random.Generator(np.random.Philox(5))
    return Images.from_pixels(draw.integers(0, 256, (count, side, side, 3), dtype=np.uint8))


def keys(count):
    return rng.derive_user_ids([str(n) for n in range(count)])


def made(wish, pictures, catalog=NOTHING, strength=1.0):
    return wish.fit(catalog)(pictures, keys(len(pictures)), np.full(len(pictures), strength, np.float32)).pixels


def test_a_rotation_by_90_degrees_matches_numpy() -> None:
    assert np.array_equal(made(RotateImage((90, 90)), some()), np.rot90(some().pixels, 1, axes=(1, 2)))


def test_half_the_strength_is_half_the_angle() -> None:
    assert np.array_equal(made(RotateImage((180, 180)), some(), strength=0.5), made(RotateImage((90, 90)), some()))


def test_a_shift_by_a_quarter_moves_right_and_down_and_fills() -> None:
    shifted = made(ShiftImage((0.25, 0.25), (0.5, 0.5), fill="constant", fill_value=7), some())
    assert np.array_equal(shifted[:, 6:, 3:], some().pixels[:, :6, :9])
    assert (shifted[:, :6] == 7).all()
    assert (shifted[:, :, :3] == 7).all()


@pytest.mark.parametrize(("fill", "column"), [("nearest", 0), ("reflect", 2)])
def test_fill_modes_at_the_border(fill: str, column: int) -> None:
    shifted = made(ShiftImage((0.25, 0.25), (0, 0), fill=fill), some())
    assert np.array_equal(shifted[:, :, 0], some().pixels[:, :, column])


def test_a_flip_skips_images_that_may_show_writing() -> None:
    catalog = Catalog(
        list("abcde"),
        {"title": ["towel", "mug with print", "towel", "左手手套", "towel"], "brand": ["", "", "Acme", "", ""]},
    )
    pictures = Images.from_pixels(some().pixels, np.arange(6, dtype=np.int32))
    mirrored = pictures.pixels[:, :, ::-1]
    found = made(FlipImage(p=1.0), pictures, catalog)
    spared = np.array([False, False, True, True, True, False])
    assert np.array_equal(found[spared], pictures.pixels[spared])
    assert np.array_equal(found[~spared], mirrored[~spared])
    assert np.array_equal(made(FlipImage(guard=False, p=1.0), pictures, catalog), mirrored)


def test_colors_stay_where_the_text_names_them() -> None:
    catalog = Catalog(list("abc"), {"title": ["Red dress", "bored towel", "深红色毛巾"]})
    pictures = Images.from_pixels(some(4).pixels, np.arange(4, dtype=np.int32))
    for wish in (Hue((90, 90)), Saturation((0, 0)), Brightness((0.5, 0.5))):
        stays = (made(wish, pictures, catalog) == pictures.pixels).all(axis=(1, 2, 3))
        assert stays.tolist() == [False, True, False, True]
        assert next(iter(wish.fit(catalog).reasons(pictures).values())).tolist() == [False, True, False, True]


def test_a_window_in_pixels_is_a_slice() -> None:
    pictures = some()
    cut = made(CropImage(size=(5, 7), restore_size=False), pictures)
    assert cut.shape == (6, 5, 7, 3)
    for whole, window in zip(pictures.pixels, cut, strict=True):
        places = [(y, x) for y in range(8) for x in range(6) if np.array_equal(whole[y : y + 5, x : x + 7], window)]
        assert len(places) == 1
    middle = made(CropImage(size=(6, 6), restore_size=False), pictures, strength=0.0)
    assert np.array_equal(middle, pictures.pixels[:, 3:9, 3:9])


def test_a_window_contains_the_object_on_a_plain_background() -> None:
    pixels = np.full((200, 40, 40, 3), 250, np.uint8)
    pixels[:, 24:36, 4:16] = (200, 0, 0)
    assert kernels.find_object_boxes(pixels[:1], 24).tolist() == [[24, 4, 36, 16]]
    kept = made(CropImage((0.2, 0.3), min_object_share=1.0), Images.from_pixels(pixels))
    loose = made(CropImage((0.2, 0.3), min_object_share=0.0), Images.from_pixels(pixels))
    area = [((one[..., 1] < 100).sum(axis=(1, 2)) / (40 * 40)).min() for one in (kept, loose)]
    assert area[0] > 0.27  # all 144 pixels in a window of 480 at most
    assert area[1] == 0


def test_zoom_shear_and_resize_match_known_results() -> None:
    pixels = np.full((1, 41, 41, 3), 255, np.uint8)
    pixels[:, 16:25, 16:25] = 0
    dark = lambda picture: (picture[..., 0] < 128).sum()  # noqa: E731
    assert dark(made(ZoomImage((2, 2)), Images.from_pixels(pixels))) == pytest.approx(4 * 81, rel=0.15)
    leaned = made(ShearImage((45, 45)), Images.from_pixels(pixels))[0]
    assert leaned[[16, 24], [24, 16], 0].tolist() == [0, 0]  # the top moves to the right, the bottom to the left
    assert dark(leaned) == pytest.approx(81, abs=9)
    coarse = made(ResizeImage((0.25, 0.25)), some(side=16))
    assert coarse.std() < 0.7 * some(side=16).pixels.std()
    assert made(ResizeImage((1.0, 1.0), size=(6, 9)), some()).shape == (6, 6, 9, 3)


def test_color_maps_match_a_hand_calculation() -> None:
    pixels = np.array([[[[100, 50, 200]] * 8] * 8], np.uint8)
    one = lambda wish: made(wish, Images.from_pixels(pixels))[0, 0, 0].tolist()  # noqa: E731
    assert one(Brightness((1.5, 1.5))) == [150, 75, 255]
    assert one(Contrast((2, 2))) == [round(127.5 - 55), 0, 255]
    grey = round(0.299 * 100 + 0.587 * 50 + 0.114 * 200)
    assert one(Saturation((0, 0))) == [grey] * 3
    assert one(Hue((120, 120))) == [200, 100, 50]


def test_consecutive_color_maps_are_not_clipped_in_between() -> None:
    pixels = np.full((1, 8, 8, 3), 200, np.uint8)
    both = ImageChain((Brightness((2, 2)), Brightness((0.5, 0.5))))
    assert np.array_equal(made(both, Images.from_pixels(pixels)), pixels)


def test_noise_has_the_requested_deviation_and_no_mean() -> None:
    grey = Images.from_pixels(np.full((40, 32, 32, 3), 128, np.uint8))
    off = made(AddImageNoise((10, 10)), grey).astype(float) - 128
    assert off.mean() == pytest.approx(0, abs=0.15)
    assert off.std() == pytest.approx(np.sqrt(100 + 1 / 12), rel=0.01)
    assert abs(np.corrcoef(off[:, :, :-1].ravel(), off[:, :, 1:].ravel())[0, 1]) < 0.01
    dark = Images.from_pixels(np.full((40, 32, 32, 3), 32, np.uint8))
    assert (made(AddImageNoise((8, 8), law="shot"), dark).astype(float) - 32).std() == pytest.approx(4, rel=0.02)


def test_erasing_covers_the_requested_share() -> None:
    white = Images.from_pixels(np.full((50, 40, 40, 3), 255, np.uint8))
    share = (made(ErasePatch((0.25, 0.25)), white)[..., 0] == 127).mean(axis=(1, 2))
    assert share == pytest.approx(0.25, abs=0.03)


def test_blur_keeps_the_mean_and_smooths_edges() -> None:
    pictures = some(side=32)
    blurred = made(BlurImage((2, 2)), pictures)
    assert blurred.mean() == pytest.approx(pictures.pixels.mean(), abs=2)
    assert blurred.std() < 0.4 * pictures.pixels.std()


def test_geometry_in_a_chain_is_one_warp(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    plain = OpenCvBackend.warp_images
    monkeypatch.setattr(OpenCvBackend, "warp_images", lambda *given: calls.append(1) or plain(*given))
    wish = ImageChain((RotateImage(), ShearImage(), ZoomImage(), FlipImage(), CropImage(), Brightness()))
    made(wish, some())
    assert len(calls) == 1
    made(ImageChain((RotateImage(), AddImageNoise(), ZoomImage())), some())
    assert len(calls) == 3


def test_one_warp_is_close_to_two_and_sharper() -> None:
    picture = Images.from_pixels(draw_image(4, (200, 40, 40), 3, 0)[None])
    fused = made(ImageChain((RotateImage((20, 20)), RotateImage((-20, -20)))), picture).astype(int)
    assert np.abs(fused - picture.pixels)[:, 16:48, 16:48].max() <= 1  # back where it was, not blurred twice


def test_a_rotation_and_its_inverse_are_the_identity() -> None:
    chain = ImageChain((ShiftImage((0.25, 0.25), (0, 0)), ShiftImage((-0.25, -0.25), (0, 0))))
    assert np.array_equal(made(chain, some()), some().pixels)


def test_one_of_draws_members_by_weight() -> None:
    both = (Brightness((0, 0)), Contrast((0, 0)))
    grey = Images.from_pixels(np.full((2000, 8, 8, 3), 200, np.uint8))
    black = (made(SomeImageTransforms(both, weights=(3, 1)), grey)[:, 0, 0, 0] == 0).mean()
    assert black == pytest.approx(0.75, abs=0.03)
    two = made(SomeImageTransforms((*both, RotateImage()), count=3), grey)
    assert (two == 128).all()  # black, then without contrast; 127.5 rounds to the even number


def test_partners_are_other_items_of_the_same_category(tmp_path) -> None:
    for place, level in enumerate((40, 80, 120, 160)):
        (tmp_path / f"{place}.png").write_bytes(encode_png(np.full((12, 12, 3), level, np.uint8)))
    files, codes = ["0.png", "1.png", "2.png", "3.png", "gone.png"], np.array([0, 1, 1, 1, 2, 2], np.int32)
    catalog = Catalog(
        list("abcde"), {"title": ["", "", "red cup", "", ""]}, codes, image_paths=files, image_folder=tmp_path
    )
    pictures = Images.from_pixels(np.full((60, 12, 12, 3), 200, np.uint8), np.arange(60, dtype=np.int32) % 6)
    halves = made(ImageMixup((0.5, 0.5)), pictures, catalog)[:, 0, 0, 0].reshape(10, 6)
    assert [set(column.tolist()) for column in halves.T] == [{200}, {140, 160}, {120, 160}, {200}, {200}, {180}]
    reasons = ImageMixup().fit(catalog).reasons(pictures)
    assert {why: held[:6].tolist() for why, held in reasons.items()} == {
        "its text names a color": [False, False, False, True, False, False],
        "its category has no other image": [True, False, False, False, False, False],
    }
    cut = made(ImageCutmix((0.25, 0.25)), pictures, catalog)[1]
    assert (cut != 200).all(axis=2).sum() == 36


def test_keras_arguments_are_converted() -> None:
    wish = convert_keras_arguments(
        rotation_range=30, width_shift_range=0.1, height_shift_range=0.1, shear_range=0.2, zoom_range=0.2,
        horizontal_flip=True, fill_mode="reflect",
    )  # fmt: skip
    names = [type(one).__name__ for one in wish.transforms]
    assert names == ["RotateImage", "ShiftImage", "ShearImage", "ZoomImage", "FlipImage"]
    assert wish.transforms[3].factor_range == (1 / 1.2, 1 / 0.8)
    assert made(wish, some()).shape == some().pixels.shape
    with pytest.raises(SpecError, match="nearest, reflect, constant"):
        convert_keras_arguments(rotation_range=30, fill_mode="wrap")
    with pytest.raises(SpecError, match="an argument that changes"):
        convert_keras_arguments()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: RotateImage((30, -30)), "lower bound first"),
        (lambda: RotateImage(fill="reflct"), "reflect"),
        (lambda: CropImage(size=(5, 0)), "two sides"),
        (lambda: CropImage(restore_size=False), "restore_size"),
        (lambda: AddImageNoise(law="gauss"), "constant, shot"),
        (lambda: SomeImageTransforms((Brightness(),), count=2), "at most 1"),
        (lambda: ImageChain(()), "one or more"),
        (lambda: made(CropImage(size=(50, 50)), some()), "smaller window"),
    ],
)
def test_wrong_configs_are_refused(wrong, said) -> None:
    with pytest.raises(SpecError, match=said):
        wrong()
