"""The work array of an input: its shards with their margins, one stored object each, and what their bytes add up to.

A Zarr array of shape (shards, *largest shard with margins), float32, in data units. Axis 0 numbers the shards, and a
shard is one Zarr shard, so no two writers ever meet in one object. Inner chunks let a margin be read without the rest.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.blend import Pixels
from tasks.stores.encoding import compressor, shard_objects, stored
from tasks.stores.place import Place
from tasks.tiling import AXES, Box, TileGrid

if TYPE_CHECKING:
    from zarr import Array

CHUNK_SIDE = 256  # px along y and x of an inner chunk
ARRAY, SHARDS = "zarr.json", "shards"
CHUNK_PIXELS = 2**16  # small planes share a chunk up to so many pixels


class TornShard(Exception):  # noqa: N818 - the word for what was found, which is no error of the program
    """A stored shard is not what its record says; its lot must be done again. shard: its number, where: its object."""

    def __init__(self, shard: int, where: str) -> None:
        """Say which shard, and where it lies."""
        super().__init__(
            f"Shard {shard} at '{where}' is not what its record says, or gone; its lot must be done again."
        )
        self.shard = shard
        self.where = where

    def __reduce__(self) -> tuple[type["TornShard"], tuple[int, str]]:
        """Come out of another process as it went in."""
        return TornShard, (self.shard, self.where)


def work_array(work: Place, name: str) -> Place:
    """Where the work array of an input lies in the work area of its plan."""
    return work / SHARDS / f"{name}.zarr"


def create_work(place: Place, grid: TileGrid) -> None:
    """Make the work array of an input, without any shard. Doing it again, or at once in several workers, is harmless.

    It is not durable before `sync_shards`.

    Raises:
        ValueError: there is one, of another shape.
    """
    made = _metadata(grid)
    found, wanted = _document(place), json.loads(made)
    if found is not None:
        if any(found.get(key) != wanted[key] for key in ("shape", "chunk_grid", "data_type")):
            raise ValueError(
                f"'{place.uri}' was made for another grid: {found.get('shape')}, not {wanted['shape']}; "
                "remove the work area and run again."
            )
        return
    place.write(ARRAY, made, lasting=False)


def write_shard(place: Place, grid: TileGrid, shard: int, pixels: Pixels) -> str:
    """Store a shard as one object; not durable before `sync_shards`, for a lot waits for all of its shards at once.

    Args:
        place: of the work array, made by create_work.
        pixels: what blend gives: the shape of grid.shard_box(shard), float32.

    Returns:
        SHA-256 of the object's bytes.

    Raises:
        ValueError: the pixels are not one whole shard.
        OSError: it cannot be written.
    """
    box = grid.shard_box(shard)
    if pixels.shape != box.shape or pixels.dtype != np.float32:
        raise ValueError(
            f"Shard {shard} is {box.shape} float32, not {pixels.shape} {pixels.dtype}; write whole shards only."
        )
    whole = np.zeros((1, *_padded(grid)), np.float32)
    whole[0][tuple(slice(n) for n in box.shape)] = pixels
    at = (slice(shard, shard + 1), *(slice(0, n) for n in _padded(grid)))
    ((name, data),) = shard_objects(_metadata(grid), at, whole, keep_empty=True).items()
    place.write(name, data, lasting=False)
    return hashlib.sha256(data).hexdigest()


def sync_shards(work: Place, shards: Iterable[tuple[str, int]]) -> None:
    """Make shards durable that were stored, each given by its input and number, and the arrays that they are of.

    Raises:
        OSError: they may be lost.
    """
    work.sync(sorted({f"{SHARDS}/{name}.zarr/{each}" for name, shard in shards for each in (ARRAY, _object(shard))}))


def shard_checksum(place: Place, shard: int) -> str | None:
    """SHA-256 of a shard's object as it is stored, or None where there is none."""
    try:
        return place.checksum(_object(shard))
    except FileNotFoundError:
        return None


def check_shard(place: Place, shard: int, checksum: str | None) -> None:
    """Compare a stored shard with its record.

    Raises:
        TornShard: they differ, or one of them is missing.
    """
    if checksum is None or shard_checksum(place, shard) != checksum:
        raise TornShard(shard, f"{place.uri}/{_object(shard)}")


def read_part(array: "Array[Any]", grid: TileGrid, shard: int, box: Box) -> Pixels:
    """The part of a stored shard that lies in a box within grid.shard_box(shard); array: the work array, opened."""
    at: tuple[Any, ...] = (shard, *box.within(grid.shard_box(shard)))
    return np.asarray(array[at], np.float32)


@lru_cache(maxsize=4)
def _metadata(grid: TileGrid) -> bytes:
    import zarr
    from zarr.storage import MemoryStore

    store = MemoryStore()
    zarr.create_array(
        store,
        shape=(grid.shards, *_padded(grid)),
        chunks=(1, *_chunks(grid.shard_box_shape)),
        shards=(1, *_padded(grid)),
        dtype="float32",
        fill_value=np.nan,
        compressors=compressor(),
        dimension_names=("shard", *AXES),
    )
    return stored(store)["zarr.json"]


def _padded(grid: TileGrid) -> tuple[int, ...]:
    """The stored shape of a shard: whole inner chunks."""
    shape = grid.shard_box_shape
    return tuple(-(-n // chunk) * chunk for n, chunk in zip(shape, _chunks(shape), strict=True))


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Inner chunks: about CHUNK_SIDE along y and x to pad little, and several planes where they are small."""
    chunks = [1, 1, 1, *(-(-n // -(-n // CHUNK_SIDE)) for n in shape[3:])]
    for axis in (2, 1, 0):
        chunks[axis] = min(shape[axis], max(1, CHUNK_PIXELS // math.prod(chunks)))
        if chunks[axis] < shape[axis]:
            break
    return tuple(chunks)


def _document(place: Place) -> dict[str, Any] | None:
    """The array's document, or None where there is none, or a power cut left half of one."""
    try:
        document: dict[str, Any] = json.loads(place.read(ARRAY))
    except (FileNotFoundError, ValueError):
        return None
    return document


def _object(shard: int) -> str:
    return f"c/{shard}/0/0/0/0/0"
