"""Zarr chunks that grow no larger than their array says: a few bytes can be packed so that they fill any memory.

What is unpacked is first measured: by the size that the packed bytes begin with where their format has one, otherwise
by unpacking them part by part, without keeping anything. Formats that are not known here are left to the worker's
memory limit.
"""

import bz2
import lzma
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from zarr.abc.store import ByteRequest, RangeByteRequest, Store
from zarr.storage import WrapperStore

from tasks.errors import InputError

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer, BufferPrototype

PART = 2**20  # bytes that are unpacked at once
SLACK = 2**16  # bytes that checksums and filters may add
WIDEST = 8  # bytes of a pixel: a filter may make them wider before they are packed


@dataclass(frozen=True)
class Bound:
    """What the chunks of an array may come to.

    packed: name of the format, or empty. largest: bytes of a chunk that is unpacked. inner: chunks in a shard, or 0.
    at_end: whether a shard's index is.
    """

    packed: str
    largest: int
    inner: int = 0
    at_end: bool = True


class BoundedStore(WrapperStore[Store]):
    """A store whose chunks are measured before they are unpacked."""

    def __init__(self, store: Store, uri: str) -> None:
        """`uri`: of the store, for messages."""
        super().__init__(store)
        self._uri, self._bounds = uri, dict[str, Bound]()

    def bind(self, array: Any) -> None:
        """Measure the chunks of an array of this store from now on. Raises InputError where they are packed twice."""
        self._bounds[array.path.strip("/")] = _bound(array, self._uri)

    async def get(
        self, key: str, prototype: "BufferPrototype", byte_range: ByteRequest | None = None
    ) -> "Buffer | None":
        """As stores do. Raises InputError where a chunk would grow beyond what its array says."""
        found = await super().get(key, prototype, byte_range)
        path = next((path for path in self._bounds if key.startswith(f"{path}/" if path else "")), None)
        if found is None or path is None or key.rpartition("/")[2] in ("zarr.json", ".zarray", ".zattrs", ".zgroup"):
            return found
        bound = self._bounds[path]
        if not bound.inner:
            self._require(key, bound, found.to_bytes())
        elif byte_range is None:
            for piece in _pieces(bound, found.to_bytes()):
                self._require(key, bound, piece)
        elif isinstance(byte_range, RangeByteRequest):
            self._require(key, bound, found.to_bytes())
        return found

    def _require(self, key: str, bound: Bound, data: bytes) -> None:
        if unpacked(bound.packed, data, bound.largest) > bound.largest:
            raise InputError(
                f"{self._uri}: the {len(data)} bytes of chunk '{key}' grow beyond the {bound.largest} that its array "
                "allows; the store is broken, or meant to do harm."
            )


def unpacked(packed: str, data: bytes, largest: int) -> int:
    """Bytes that packed data come to; some number beyond `largest` where they are more; 0 where nobody knows.

    Args:
        packed: name of the format, as numcodecs and Zarr 3 have it.
    """
    if packed in _DECLARED:
        return _DECLARED[packed](data, largest)
    if packed not in _STREAMS:
        return 0
    try:
        return _streamed(_STREAMS[packed], data, largest)
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return 0  # whoever unpacks it says so


def _streamed(make: Callable[[], Any], data: bytes, largest: int) -> int:
    """Bytes that come out of one stream behind the other, counted part by part."""
    total = 0
    while data and total <= largest:
        stream = make()
        part = stream.decompress(data, PART)
        total += len(part)
        while part and not stream.eof and total <= largest:
            # zlib hands back what it has not looked at; the others keep it.
            part = stream.decompress(getattr(stream, "unconsumed_tail", b""), PART)
            total += len(part)
        data = stream.unused_data
    return total


def _zstd(data: bytes, largest: int) -> int:
    """The size that a frame begins with (RFC 8878, 3.1.1.1); one without it is unpacked into no more than allowed."""
    if data[:4] != b"\x28\xb5\x2f\xfd" or len(data) < 6:
        return 0
    flags = data[4]
    single, kind = flags >> 5 & 1, flags >> 6
    width = (1 if single else 0, 2, 4, 8)[kind]
    at = 5 + (0 if single else 1) + (0, 1, 2, 4)[flags & 3]
    if width:
        return int.from_bytes(data[at : at + width], "little") + (256 if width == 2 else 0)
    import imagecodecs

    try:
        return len(imagecodecs.zstd_decode(data, out=largest))
    except imagecodecs.ZstdError:
        return largest + 1


_DECLARED: dict[str, Callable[[bytes, int], int]] = {
    "blosc": lambda data, _: int.from_bytes(data[4:8], "little"),
    "lz4": lambda data, _: int.from_bytes(data[:4], "little"),
    "zstd": _zstd,
}
_STREAMS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "zlib": lambda: zlib.decompressobj(15),
    "bz2": bz2.BZ2Decompressor,
    "lzma": lzma.LZMADecompressor,
}


def _bound(array: Any, uri: str) -> Bound:
    names = _names(array)
    packers = [name for name in names if name in _DECLARED or name in _STREAMS]
    if len(packers) > 1:
        raise InputError(f"{uri} is packed {len(packers)} times ({', '.join(packers)}); write it again, packed once.")
    pixels = math.prod(array.chunks)
    sharding = next(
        (codec for codec in getattr(array.metadata, "codecs", ()) if hasattr(codec, "index_location")), None
    )
    inner = math.prod(array.shards) // pixels if sharding is not None else 0
    at_end = sharding is None or str(sharding.index_location).endswith("end")
    return Bound(packers[0] if packers else "", pixels * max(array.dtype.itemsize, WIDEST) + SLACK, inner, at_end)


def _names(array: Any) -> list[str]:
    """Formats of an array's filters and compressors, those within its shards as well."""
    metadata = array.metadata
    codecs = [*(getattr(metadata, "filters", None) or ()), getattr(metadata, "compressor", None)]
    for codec in getattr(metadata, "codecs", ()):
        codecs += [codec, *getattr(codec, "codecs", ())]
    return [_name(codec) for codec in codecs if codec is not None]


def _name(codec: Any) -> str:
    told = getattr(codec, "codec_id", None) or codec.to_dict().get("name", "")
    return str(told).removeprefix("numcodecs.")


def _pieces(bound: Bound, data: bytes) -> list[bytes]:
    """The packed chunks of a shard, which its index lists: place and length of each, absent ones as all ones."""
    size = 16 * bound.inner
    index = data[-size - 4 : -4] if bound.at_end else data[:size]
    if len(index) < size:
        return []  # whoever reads it says so
    places = np.frombuffer(index, "<u8").reshape(-1, 2)
    return [data[start : start + length] for start, length in places.tolist() if start < len(data)]
