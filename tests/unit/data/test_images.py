"""Reading of image files: valid, unusual and broken ones."""

import base64
import os
import struct
import zlib

import numpy as np
import pytest

from leaven.datasets import images
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images, decode_image, find_image_files, load_catalog_images, load_images
from leaven.errors import DataError, SpecError
from leaven.simulator.item_generation import draw_image, encode_png

cv2 = pytest.importorskip("cv2")
RED_IN_CMYK = zlib.decompress(
    base64.b85decode(
        "c-s4a<NrGbKF5^&q*R6!1`zmvo57iZmy?T|i-VV&i<^&+mtR;xR9HwzSY1X=TtQFM&_GX9SI5}O%g)%$&0I&<A>7f;$1f;2$jB}#F)ARzD=^6a"
        "{{aRO4h8`R0TyRL246vjNI?c~L5BZF7(^Ku85vLkJ5X3e09};f|1AbS7H0-uhDZi)1_pbE<!YQwb3o!Z0Taq1Ap"
    )
)
"""A CMYK JPEG of 16 × 16 pixels."""
PICTURE = draw_image(0, (200, 30, 30), 1, 2)


def test_images_keep_the_order_of_files_and_broken_files_are_reported(tmp_path) -> None:
    (tmp_path / "good.png").write_bytes(encode_png(PICTURE))
    (tmp_path / "half.jpg").write_bytes(cv2.imencode(".jpg", PICTURE)[1].tobytes()[:40])
    (tmp_path / "text.jpg").write_text("<html>not found</html>")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "dot.png").write_bytes(encode_png(PICTURE[:1, :1]))
    names = ["half.jpg", "gone.jpg", "good.png", "text.jpg", "empty.png", "dot.png"]
    found = load_images([tmp_path / name for name in names] + [""], (64, 64), items=range(1, 8))
    assert np.array_equal(found.images.pixels[0], PICTURE)
    assert found.images.items.tolist() == [3]
    assert {reason: len(files) for reason, files in found.failures.items()} == {
        "not an image, or a broken one": 2,
        "no such file": 1,
        "an empty file": 1,
        "smaller than 8 pixels": 1,
        "no path": 1,
    }
    assert found.failures["no such file"] == [str(tmp_path / "gone.jpg")]


@pytest.mark.parametrize("kind", [".jpg", ".png"])
def test_a_truncated_file_is_not_read(tmp_path, kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = cv2.imencode(kind, noise)[1].tobytes()
    (tmp_path / f"half{kind}").write_bytes(whole[: len(whole) // 2])
    (tmp_path / f"whole{kind}").write_bytes(whole + b"\0\0 trailing bytes, as some cameras append")
    found = load_images(find_image_files(tmp_path), (64, 64))
    assert found.paths == [str(tmp_path / f"whole{kind}")]
    assert found.failures == {"a truncated file": [str(tmp_path / f"half{kind}")]}


def encode(suffix: str, *options: int) -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return cv2.imencode(suffix, noise, list(options))[1].tobytes()


ENCODED = {
    "jpeg": encode(".jpg"),
    "progressive": encode(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": encode(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "png": encode(".png"),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", list(ENCODED))
def test_bytes_after_an_image_do_not_matter(kind: str, seed: int) -> None:
    tail = np.random.default_rng(seed).integers(0, 256, 200_000, dtype=np.uint8).tobytes()
    expected = decode_image(ENCODED[kind])
    for after in (tail, b"\0" * 100, b"\xff\xd8\xff\xda", ENCODED[kind]):
        assert np.array_equal(decode_image(ENCODED[kind] + after), expected)


@pytest.mark.parametrize("kind", list(ENCODED))
def test_bytes_after_a_truncated_image_do_not_complete_it(kind: str) -> None:
    half = ENCODED[kind][: len(ENCODED[kind]) // 2]
    tail = np.random.default_rng(3).integers(0, 256, 200_000, dtype=np.uint8).tobytes()
    assert decode_image(half) == decode_image(half + tail) == "a truncated file"


def test_the_content_and_not_the_suffix_decides(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(ENCODED["jpeg"])
    (tmp_path / "b.jpg").write_bytes(ENCODED["png"])
    assert len(load_images(find_image_files(tmp_path)).images) == 2


def test_hidden_files_and_folders_are_no_images(tmp_path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    for name in ("._a.jpg", "a.jpg", "b.jfif"):
        (tmp_path / name).write_bytes(ENCODED["jpeg"])
    assert [path.name for path in find_image_files(tmp_path)] == ["a.jpg", "b.jfif"]


def test_messages_of_the_codecs_are_not_shown_and_other_messages_are(capfd: pytest.CaptureFixture[str]) -> None:
    damaged = [ENCODED["png"].replace(b"IDAT", b"IDAT\0", 1), encode(".bmp")[:-9], encode(".gif")[:-9], b"BM\1"]
    jpeg = ENCODED["jpeg"]
    damaged.append(jpeg[: len(jpeg) // 2] + jpeg[len(jpeg) // 2 + 300 :])
    for content in damaged:
        decode_image(content)
    with images._CODEC_MESSAGES.hide(), images._CODEC_MESSAGES.hide():
        os.write(2, b"a message of another thread\nlibpng error: bad\n")
    assert capfd.readouterr().err == "a message of another thread\n"


def read_bytes(name, content, tmp_path, size=(16, 16)):
    (tmp_path / name).write_bytes(content)
    return load_images([tmp_path / name], size).images.pixels[0]


def test_gray_16_bit_and_transparent_images_become_rgb_on_white(tmp_path) -> None:
    gray = np.full((16, 16), 90, np.uint8)
    assert (read_bytes("gray.png", cv2.imencode(".png", gray)[1].tobytes(), tmp_path) == 90).all()
    deep = np.full((16, 16, 3), 257 * 40, np.uint16)
    assert (read_bytes("deep.png", cv2.imencode(".png", deep)[1].tobytes(), tmp_path) == 40).all()
    clear = np.zeros((16, 16, 4), np.uint8)
    clear[:8, :, 2], clear[:8, :, 3] = 200, 255  # upper half opaque red, lower half transparent black
    seen = read_bytes("clear.png", cv2.imencode(".png", clear)[1].tobytes(), tmp_path)
    assert seen[0, 0].tolist() == [200, 0, 0]
    assert seen[15, 0].tolist() == [255, 255, 255]


def test_jpeg_orientation_is_applied(tmp_path) -> None:
    upper = np.zeros((16, 16, 3), np.uint8)
    upper[:8] = 255
    content = cv2.imencode(".jpg", upper)[1].tobytes()
    exif = b"Exif\0\0" + tags(3)
    rotated = content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]
    assert read_bytes("plain.jpg", content, tmp_path)[0].mean() > 250
    assert read_bytes("rotated.jpg", rotated, tmp_path)[0].mean() < 5


def tags(orientation: int) -> bytes:
    """Exif data with this orientation."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [[1, 2], [3, 4]]),
        (2, [[2, 1], [4, 3]]),
        (3, [[4, 3], [2, 1]]),
        (4, [[3, 4], [1, 2]]),
        (5, [[1, 3], [2, 4]]),
        (6, [[3, 1], [4, 2]]),
        (7, [[4, 2], [3, 1]]),
        (8, [[2, 4], [1, 3]]),
        (9, [[1, 2], [3, 4]]),
    ],
)
def test_png_orientation_is_applied(tmp_path, orientation: int, expected: list) -> None:
    quarters = np.kron(np.array([[1, 2], [3, 4]]), np.ones((8, 8))).astype(np.uint8) * 50
    whole = encode_png(np.repeat(quarters[..., None], 3, axis=2))
    chunk = b"eXIf" + tags(orientation)
    end = whole.index(b"IDAT") - 4
    rotated = (
        whole[:end] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + whole[end:]
    )
    seen = read_bytes("rotated.png", rotated, tmp_path)[::8, ::8, 0] // 50
    assert seen.tolist() == expected


def test_cmyk_becomes_rgb(tmp_path) -> None:
    seen = read_bytes("cmyk.jpg", RED_IN_CMYK, tmp_path)
    assert seen.shape == (16, 16, 3)
    assert np.abs(seen[8, 8].astype(int) - [255, 0, 0]).max() < 5


def test_the_first_frame_of_an_animation_is_read(tmp_path) -> None:
    gif = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes([0, 0, 0, 255, 255, 255])
    for color in (0, 1):  # frames of one color, as LZW codes: clear, color, clear, color ... end
        codes = [code for _ in range(64) for code in (4, color)] + [5]
        bits = sum(code << 3 * i for i, code in enumerate(codes))
        data = bits.to_bytes((3 * len(codes) + 7) // 8, "little")
        gif += b"," + struct.pack("<HHHHB", 0, 0, 8, 8, 0) + b"\x02" + bytes([len(data)]) + data + b"\0"
    seen = read_bytes("moving.gif", gif + b";", tmp_path, (8, 8))
    assert (seen == 0).all()


def test_a_decompression_bomb_is_rejected(tmp_path) -> None:
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**20, 2**20, 8, 2, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    assert list(load_images([tmp_path / "bomb.png"]).failures) == ["not an image, or a broken one"]


@pytest.mark.parametrize(("fit", "corner", "middle"), [("cover", 0, 0), ("contain", 255, 0), ("stretch", 0, 0)])
def test_a_wide_image_is_fitted_to_the_size(tmp_path, fit: str, corner: int, middle: int) -> None:
    (tmp_path / "wide.png").write_bytes(encode_png(np.zeros((20, 60, 3), np.uint8)))
    image = load_images([tmp_path / "wide.png"], (40, 40), fit=fit).images.pixels[0]
    assert image.shape == (40, 40, 3)
    assert image[0, 0, 0] == corner
    assert image[20, 20, 0] == middle


def test_catalog_items_without_a_readable_image_are_left_out(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(PICTURE))
    items = Catalog(["a", "b", "c"], image_paths=["a.png", "", "x.png"], image_folder=tmp_path)
    found = load_catalog_images(items, (64, 64))
    assert found.images.items.tolist() == [1]
    assert set(found.failures) == {"no path", "no such file"}
    with pytest.raises(DataError, match="image paths"):
        load_catalog_images(Catalog(["a"]))


def test_invalid_arrays_folders_and_options_are_rejected(tmp_path) -> None:
    with pytest.raises(DataError, match="channels last"):
        Images.from_pixels(np.zeros((1, 3, 8, 8), np.uint8))
    with pytest.raises(DataError, match="one item per image"):
        Images.from_pixels(np.zeros((1, 8, 8, 3), np.uint8), np.zeros(2, np.int32))
    with pytest.raises(DataError, match="image files"):
        find_image_files(tmp_path)
    with pytest.raises(SpecError, match="cover, contain"):
        load_images([], fit="crop")
