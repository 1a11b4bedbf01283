"""Images as people have them: each is read as it is seen, or refused by name."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from isi_keras.sources import images
from isi_keras.sources.folders import Folder, Format

pytestmark = pytest.mark.once

GREY = np.linspace(0, 255, 48).reshape(8, 6).astype("uint8")
COLOUR = np.stack([GREY, GREY.T.reshape(8, 6), 255 - GREY], axis=-1)


def read(folder, image, name="a.png", channels=3, **options):
    """What is read of a picture that is saved."""
    path = folder / name
    if isinstance(image, bytes):
        path.write_bytes(image)
    else:
        image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        image.save(path, **options)
    return images.pixels(path, (None, None, channels))


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.gif", "a.webp", "A.PNG"])
def test_formats(tmp_path, name):
    options = {"lossless": True} if name.endswith("webp") else {}
    found = read(tmp_path, GREY, name, 1, **options)
    np.testing.assert_allclose(found, GREY[..., None] / 255, atol=1e-12)
    if not name.endswith("gif"):
        found = read(tmp_path, COLOUR, name, **options)
        np.testing.assert_allclose(found, COLOUR / 255, atol=1e-12)
    assert read(tmp_path, GREY, name, 3, **options).shape == (8, 6, 3)


def test_16_bits_keep_their_steps(tmp_path):
    steps = (np.arange(48).reshape(8, 6) * 1394).astype("uint16")
    for name in ("a.png", "a.tif"):
        found = read(tmp_path, steps, name, 1)
        np.testing.assert_allclose(found[..., 0], steps / 65535, atol=1e-12)


def png_of_16_bit_colours(values):
    """The bytes of a PNG of `(H, W, 3)` uint16, which Pillow does not write."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_16_bits_of_each_colour_are_seen(tmp_path):
    found = read(tmp_path, png_of_16_bit_colours(COLOUR.astype("uint16") * 257))
    np.testing.assert_allclose(found, COLOUR / 255, atol=1e-12)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA", "P", "L", "1"])
def test_transparent_becomes_white(tmp_path, mode):
    alpha = np.zeros((8, 6), "uint8")
    alpha[4:] = 255
    black = Image.fromarray(np.zeros((8, 6), "uint8"))
    if mode in ("P", "L", "1"):  # one value of it is transparent
        picture, options = Image.fromarray(255 - alpha), {"transparency": 255}
        picture = picture.convert("P" if mode == "P" else "L")
        options = {"transparency": int(np.asarray(picture)[0, 0])} if mode == "P" else options
        found = read(tmp_path, picture, **options)
    else:
        black.putalpha(Image.fromarray(alpha))
        found = read(tmp_path, black.convert(mode if mode != "PA" else "RGBA"))
    np.testing.assert_allclose(found[:4], 1)
    np.testing.assert_allclose(found[4:], 0)


def test_half_transparent_is_between(tmp_path):
    picture = np.full((8, 6, 4), (0, 0, 0, 51), "uint8")
    np.testing.assert_allclose(read(tmp_path, picture, channels=1), 0.8, atol=1e-12)


def test_inks_become_light(tmp_path):
    colours = np.zeros((32, 32, 3), "uint8")
    colours[:, 16:] = (250, 30, 20)
    colours[16:, :16] = 255
    picture = Image.fromarray(colours).convert("CMYK")
    for name in ("a.tif", "a.jpg"):
        found = read(tmp_path, picture, name, **({"quality": 95} if name == "a.jpg" else {}))
        for place in ((8, 8), (8, 24), (24, 8)):
            np.testing.assert_allclose(found[place], colours[place] / 255, atol=0.03)


def test_a_profile_of_other_colours_is_passed_over(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(COLOUR).convert("CMYK")
    for given in (profile, b"nothing"):
        found = read(tmp_path, picture, "a.tif", icc_profile=given)
        np.testing.assert_allclose(found, COLOUR / 255, atol=0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_cameras_say(tmp_path, orientation):
    upright = np.zeros((16, 24), "uint8")
    upright[:8, :8] = 255  # top left
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: np.rot90(upright, 1), 7: np.rot90(upright.T, 2), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a.png", "a.tif", "a.jpg"):
        found = read(tmp_path, np.ascontiguousarray(stored), name, 1, exif=exif)
        np.testing.assert_allclose(found[..., 0], upright / 255, atol=0.05)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_the_first_picture_of_several(tmp_path, name):
    several = [Image.fromarray(np.full((8, 6), value, "uint8")) for value in (40, 140, 240)]
    options = {"lossless": True} if name == "a.webp" else {}
    found = read(tmp_path, several[0], name, 1, save_all=True, append_images=several[1:], **options)
    assert found.shape == (8, 6, 1)
    np.testing.assert_allclose(found, 40 / 255, atol=1e-12)


def test_a_palette_is_its_colours(tmp_path):
    picture = Image.fromarray(np.tile(np.uint8([[[255, 0, 0], [0, 0, 255]]]), (8, 3, 1)))
    found = read(tmp_path, picture.convert("P"), "a.gif")
    np.testing.assert_allclose(found[0, :2], [[1, 0, 0], [0, 0, 1]])


def encoded(image, kind, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def bomb():
    """A PNG of 100,000 x 100,000 pixels, in a few bytes."""
    data = bytearray(encoded(GREY, "PNG"))
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


REFUSED = {
    "empty.png": (b"", "it is empty"),
    "bomb.png": (bomb(), "100000 x 100000 pixels|exceeds limit"),
    "cut.png": (encoded(COLOUR, "PNG")[:-40], "."),
    "cut.jpg": (encoded(np.tile(COLOUR, (8, 8, 1)), "JPEG")[:-400], "truncated"),
    "text.png": (b"no image at all", "it is none of BMP"),
    "script.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is none of BMP"),
    "array.png": (b"\x93NUMPY\1\0", "it is none of BMP"),
    "page.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is none of BMP"),
    "real.tif": (encoded(np.ones((8, 6), "float32"), "TIFF"), "mode 'F', whose white is not known"),
    "wide.tif": (encoded(np.ones((8, 6), "int32"), "TIFF"), "mode 'I', whose white is not known"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_seen_is_refused_by_name(tmp_path, name):
    data, text = REFUSED[name]
    with pytest.raises(ValueError, match=f"{name}' cannot be read as an image: ") as found:
        read(tmp_path, data, name)
    assert re.search(text, str(found.value))
    assert "\n" not in str(found.value)


def test_damaged_images_are_read_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    kinds = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
    for number in range(120):
        data = bytearray(encoded(COLOUR, kinds[number % len(kinds)]))
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(256)
        try:
            found = read(tmp_path, bytes(data), "odd.png")
        except ValueError as error:
            said = str(error)
        else:
            said = "odd.png' cannot be read"
            assert found.ndim == 3
            assert 0 <= found.min() <= found.max() <= 1
        assert "odd.png' cannot be read" in said


def test_large_images_take_little_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_LARGE", 100)
    path = tmp_path / "a.png"
    for picture in (np.tile(COLOUR, (10, 10, 1)), np.tile(GREY, (10, 10))):
        Image.fromarray(picture).save(path)
        found = images.pixels(path, (4, 4, 3))
        assert max(found.shape[:2]) <= 12
        assert min(found.shape[:2]) >= 8
        np.testing.assert_allclose(found.mean(), picture.mean() / 255, atol=0.03)
        assert images.pixels(path, (60, 60, 3)).shape == (80, 60, 3)
        assert images.pixels(path, (None, 4, 3)).shape == (80, 60, 3)


def test_a_folder_says_which_image(tmp_path):
    read(tmp_path, COLOUR, "a.png")
    (tmp_path / "b.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"b\.jpg' cannot be read as an image: it is empty"):
        Folder(tmp_path, Format((8, 6, 3), 3, (0.0, 1.0))).rows(0, 2)
