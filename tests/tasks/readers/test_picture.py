"""PNG, JPEG and BMP: depths, colours, palettes, alpha, size limit, broken files."""

import fsspec
import imagecodecs
import numpy as np
import pytest
from contracts.reader import check_attributes, check_sentence, facts, window
from PIL import Image

from tasks.errors import InputError
from tasks.readers import open_input, picture, reader_for


def pixels(shape, dtype="uint8"):
    return np.random.default_rng(5).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


def opened(path):
    image = open_input(str(path), facts())
    assert reader_for(str(path), facts()) == "picture"
    check_attributes(image)
    return image


@pytest.mark.parametrize("shape", [(17, 3), (1, 1), (64, 48)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_png_of_any_kind(tmp_path, shape, dtype, samples):
    data = pixels(shape if samples == 1 else (*shape, samples), dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    image = opened(tmp_path / "a.png")
    assert image.dtype == dtype
    if samples < 3:
        assert image.dims == ("y", "x")
        np.testing.assert_array_equal(window(image), data if samples == 1 else data[..., 0])
    else:
        assert image.dims == ("c", "y", "x")
        assert list(image.c.values) == ["red", "green", "blue"]
        np.testing.assert_array_equal(window(image), np.moveaxis(data[..., :3], -1, 0))
    assert image.attrs["notes"] == (["The alpha channel was dropped."] if samples in (2, 4) else [])


def test_palette_becomes_colours(tmp_path):
    colours = Image.fromarray(pixels((20, 30, 3))).convert("P", palette=Image.Palette.ADAPTIVE, colors=5)
    colours.save(tmp_path / "a.png")
    image = opened(tmp_path / "a.png")
    np.testing.assert_array_equal(window(image), np.moveaxis(np.asarray(colours.convert("RGB")), -1, 0))


def test_two_levels_become_bytes(tmp_path):
    Image.fromarray(pixels((20, 30)) > 99).save(tmp_path / "a.png")
    assert set(np.unique(window(opened(tmp_path / "a.png")))) == {0, 255}


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.bmp"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_other_pictures(tmp_path, name, mode):
    Image.fromarray(pixels((20, 30) if mode == "L" else (20, 30, 3))).save(tmp_path / name)
    image = opened(tmp_path / name)
    assert image.shape == ((20, 30) if mode == "L" else (3, 20, 30))
    expected = np.asarray(Image.open(tmp_path / name))
    np.testing.assert_array_equal(window(image), expected if mode == "L" else np.moveaxis(expected, -1, 0))


def test_remote_picture():
    data = pixels((20, 30))
    fsspec.filesystem("memory").pipe("/pictures/a.png", imagecodecs.png_encode(data))
    np.testing.assert_array_equal(window(open_input("memory://pictures/a.png", facts())), data)


def test_decoded_once(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels((200, 300))))
    decoded = []
    original = picture.Picture._decoded
    monkeypatch.setattr(picture.Picture, "_decoded", lambda self: decoded.append(1) or original(self))
    image = open_input(str(tmp_path / "a.png"), facts())
    assert not decoded
    for row in range(0, 200, 50):
        window(image, y=slice(row, row + 50))
    assert len(decoded) == 1


def test_too_large_to_decode_whole(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels((20, 30))))
    monkeypatch.setattr(picture, "LARGEST", 500)
    with pytest.raises(InputError, match="has 30 x 20 pixels; with more than 0 million it must be a TIFF or Zarr"):
        open_input(str(tmp_path / "a.png"), facts())


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    header = bytearray(imagecodecs.png_encode(np.zeros((2, 2), np.uint8)))
    header[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(header)
    with pytest.raises(InputError, match=r"far too large|must be a TIFF or Zarr") as caught:
        open_input(str(tmp_path / "a.png"), facts())
    check_sentence(str(caught.value))


@pytest.mark.parametrize("content", [b"", b"a text", b"\x89PNG\r\n\x1a\n"])
def test_not_a_picture(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a.png is not a picture that can be read") as caught:
        open_input(str(tmp_path / "a.png"), facts())
    check_sentence(str(caught.value))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
def test_cut_picture(tmp_path, name):
    Image.fromarray(pixels((200, 300))).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cannot be read|not a picture") as caught:
        window(open_input(str(tmp_path / name), facts()))
    check_sentence(str(caught.value))
