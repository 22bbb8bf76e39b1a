"""A few bytes that would fill any memory: each is refused in a sentence, and memory does not grow."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from contracts.bombs import HUGE, SIDE, jpeg_that_says, packed_store, png_that_says, tiff_with

from tasks.catalog.facts import Facts
from tasks.errors import InputError
from tasks.readers import open_input
from tasks.readers._bounded import unpacked

HARM = r"grow beyond the \d+ that its array allows; the store is broken, or meant to do harm"
ROOM = HUGE // 2


@contextmanager
def little_memory() -> Iterator[None]:
    """Half of what the bombs grow to, beside what this process has anyway."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (own + ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def whole(uri: str) -> np.ndarray:
    """All pixels of an image, through its reader."""
    image = open_input(uri, Facts(title="bomb", source=uri))
    return np.asarray(image.data.compute(scheduler="synchronous"))


def pixels(uri: str) -> np.ndarray:
    """The same, where memory is little."""
    with little_memory():
        return whole(uri)


@pytest.fixture(autouse=True)
def warm(tmp_path: Path) -> None:
    """What is imported, and which threads are begun, at the first reading is no harm."""
    zarr.create_array(str(tmp_path / "warm.zarr"), shape=(64, 64), chunks=(8, 8), dtype="uint8")[:] = 1
    tifffile.imwrite(tmp_path / "warm.tif", np.zeros((64, 64), np.uint8), compression="zlib")
    for name in ("warm.zarr", "warm.tif"):
        whole(str(tmp_path / name))


@pytest.mark.parametrize(
    ("codec", "version", "shards"),
    [("gzip", 3, None), ("zstd", 3, None), ("blosc", 3, None), ("gzip", 3, (SIDE, SIDE)), ("zstd", 3, (SIDE, SIDE)),
     ("zlib", 2, None), ("lz4", 2, None)],
)  # fmt: skip
def test_a_chunk_that_grows(tmp_path: Path, codec: str, version: int, shards: tuple[int, int] | None) -> None:
    uri = packed_store(tmp_path / "a.zarr", codec, shards, version)
    with pytest.raises(InputError, match=HARM) as caught:
        pixels(uri)
    assert "a.zarr: the " in str(caught.value)
    honest = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    rest = open_input(uri, Facts(title="bomb", source=uri))[SIDE // 2 :, SIDE // 2 :]
    if shards is None:  # its other chunks are as they were
        np.testing.assert_array_equal(rest.data.compute(scheduler="synchronous"), honest[SIDE // 2 :, SIDE // 2 :])


def test_a_store_that_is_packed_twice(tmp_path: Path) -> None:
    packers = [zarr.codecs.GzipCodec(), zarr.codecs.ZstdCodec()]
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(8, 8), chunks=(8, 8), dtype="uint8", compressors=packers)
    with pytest.raises(InputError, match=r"is packed 2 times \(gzip, zstd\); write it again, packed once"):
        pixels(str(tmp_path / "a.zarr"))


@pytest.mark.parametrize("compression", ["zlib", "zstd"])
def test_a_strip_of_a_tiff_that_grows(tmp_path: Path, compression: str) -> None:
    import imagecodecs

    pack = {"zlib": imagecodecs.zlib_encode, "zstd": imagecodecs.zstd_encode}
    uri = tiff_with(tmp_path / "a.tif", compression, pack[compression](bytes(HUGE)))
    try:
        found = pixels(uri)
    except InputError as error:
        found, said = None, str(error)
    if found is None:
        assert "a.tif: pixels [0:64, 0:64] cannot be read: " in said
        assert "MemoryError" not in said
    else:
        assert found.shape == (SIDE, SIDE)  # what the file says, and no more


def test_a_strip_of_a_tiff_that_is_a_picture_of_another_size(tmp_path: Path) -> None:
    for side in (9_000, 60_000):
        uri = tiff_with(tmp_path / f"{side}.tif", "jpeg", jpeg_that_says(side))
        with pytest.raises(InputError, match=r"piece 0 says that it is \d+ x \d+ pixels, .* at most 64 along a side"):
            pixels(uri)
    honest = tiff_with(tmp_path / "honest.tif", "jpeg", jpeg_that_says(SIDE))
    assert pixels(honest).shape == (SIDE, SIDE)


@pytest.mark.parametrize(
    ("side", "sentence"), [(60_000, "is far too large for a picture"), (13_000, "must be a TIFF or Zarr")]
)
def test_a_picture_that_says_it_is_larger_than_it_may_be(tmp_path: Path, side: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        pixels(png_that_says(tmp_path / "a.png", side))


@pytest.mark.parametrize("packed", ["gzip", "zlib", "bz2", "lzma"])
def test_what_comes_in_several_streams_is_counted_whole(packed: str) -> None:
    import bz2
    import gzip
    import lzma
    import zlib

    pack = {"gzip": gzip.compress, "zlib": zlib.compress, "bz2": bz2.compress, "lzma": lzma.compress}[packed]
    data = pack(bytes(3_000_000)) + pack(bytes(500))
    assert unpacked(packed, data, 10**7) == 3_000_500
    assert 1000 < unpacked(packed, data, 1000) < 3_000_500
    assert unpacked(packed, b"torn", 1000) == 0
    assert unpacked("of tomorrow", data, 1000) == 0
