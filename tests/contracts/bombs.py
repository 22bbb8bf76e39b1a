"""Files of some kilobytes that would fill any memory, made on the spot."""

import bz2
import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import google_crc32c
import imagecodecs
import numcodecs
import numpy as np
import tifffile
import zarr
from zarr import codecs

HUGE = 2**28  # bytes that a piece grows to
SIDE = 64  # px that the file says it has


def packed_store(path: Path, codec: str, shards: tuple[int, int] | None = None, version: int = 3) -> str:
    """A Zarr store of 64 x 64 pixels whose first chunk grows to `HUGE`. codec: its format."""
    array = zarr.create_array(
        str(path),
        shape=(SIDE, SIDE),
        chunks=(SIDE // 2, SIDE // 2),
        shards=shards,
        dtype="uint16",
        compressors=[_codec(codec, version)],
        zarr_format=version,  # type: ignore[arg-type]
    )
    array[:] = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)  # type: ignore[call-overload]
    bomb = _bomb(codec)
    if shards:
        file = path / "c" / "0" / "0"
        shard = file.read_bytes()
        index = bytearray(shard[-68:-4])
        struct.pack_into("<QQ", index, 0, len(shard) - 68, len(bomb))
        checksum = struct.pack("<I", google_crc32c.value(bytes(index)))  # as the sharding codec has it
        file.write_bytes(shard[:-68] + bomb + index + checksum)
    else:
        (path / ("c/0/0" if version == 3 else "0.0")).write_bytes(bomb)
    return str(path)


def _codec(name: str, version: int) -> Any:
    if version == 2:
        return {"gzip": numcodecs.GZip, "lz4": numcodecs.LZ4, "zlib": numcodecs.Zlib, "bz2": numcodecs.BZ2}[name]()
    return {"gzip": codecs.GzipCodec, "zstd": codecs.ZstdCodec, "blosc": codecs.BloscCodec}[name]()


def _bomb(name: str) -> bytes:
    nothing = bytes(HUGE)
    if name == "gzip":
        return gzip.compress(nothing, 1)
    if name == "zlib":
        return zlib.compress(nothing, 1)
    if name == "bz2":
        return bz2.compress(nothing)
    kinds: dict[str, Any] = {"zstd": numcodecs.Zstd, "blosc": numcodecs.Blosc, "lz4": numcodecs.LZ4}
    return bytes(kinds[name]().encode(nothing))


def tiff_with(path: Path, compression: str, strip: bytes) -> str:
    """A TIFF of 64 x 64 pixels in one strip, which is put in the place of the true one."""
    tifffile.imwrite(
        path,
        np.zeros((SIDE, SIDE), np.uint8),
        compression=compression,
        rowsperstrip=SIDE,
        photometric="minisblack",
    )
    raw = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags  # type: ignore[union-attr]
        struct.pack_into("<HHII", raw, tags[273].offset, 273, 4, 1, len(raw))
        struct.pack_into("<HHII", raw, tags[279].offset, 279, 4, 1, len(strip))
    path.write_bytes(bytes(raw) + strip)
    return str(path)


def jpeg_that_says(side: int) -> bytes:
    """A JPEG of 64 x 64 pixels whose head says that it is larger."""
    jpeg = bytearray(imagecodecs.jpeg_encode(np.zeros((SIDE, SIDE), np.uint8)))
    struct.pack_into(">HH", jpeg, jpeg.index(b"\xff\xc0") + 5, side, side)
    return bytes(jpeg)


def png_that_says(path: Path, side: int) -> str:
    """A PNG of some bytes whose head says that it is larger."""
    png = bytearray(imagecodecs.png_encode(np.zeros((SIDE, SIDE), np.uint8)))
    struct.pack_into(">II", png, 16, side, side)
    struct.pack_into(">I", png, 29, zlib.crc32(png[12:29]))
    path.write_bytes(png)
    return str(path)
