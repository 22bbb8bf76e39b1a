"""Zarr v3 arrays as plain objects, made in memory: a place then writes each of them whole, atomically and durably.

Zarr's own stores do not wait for the disk, and before zarr replaces a shard it reads the old one, and fails where that
is torn. So zarr only encodes here, and only whole shards.
"""

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from zarr import Array
    from zarr.codecs import BloscCodec
    from zarr.storage import MemoryStore

    from tasks.place import Place


def compressor() -> "BloscCodec":
    """What all pixels are compressed with: small and fast on counts and on restored floats alike."""
    from zarr.codecs import BloscCodec

    return BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")


def stored(store: "MemoryStore") -> dict[str, bytes]:
    """All objects of a store in memory, by name."""
    return {name: buffer.to_bytes() for name, buffer in sorted(store._store_dict.items())}


def shard_objects(metadata: bytes, at: tuple[slice, ...], pixels: NDArray[Any], keep_empty: bool) -> dict[str, bytes]:
    """The objects that hold whole shards of an array.

    Args:
        metadata: the array's zarr.json.
        at: where the pixels lie in the array; from the edge of a shard to another, or to the end of the array.
        pixels: of the shape and type that `at` and the array say.
        keep_empty: whether a chunk of nothing but the fill value is stored too.

    Returns:
        Bytes by name, e.g. c/0/1; nothing for a shard without a chunk to store.

    Raises:
        ValueError: the pixels are not whole shards; writing a part of one would lose what another writer put beside it.
    """
    import zarr
    from zarr.core.buffer import default_buffer_prototype
    from zarr.storage import MemoryStore

    store = MemoryStore({"zarr.json": default_buffer_prototype().buffer.from_bytes(metadata)})
    array = zarr.open_array(store, mode="r+")
    assert isinstance(array, zarr.Array)
    array = array.with_config({"write_empty_chunks": keep_empty})  # open_array takes a config, but does not heed it
    for part, side, n in zip(at, array.shards or array.chunks, array.shape, strict=True):
        if part.start % side or (part.stop % side and part.stop != n):
            raise ValueError(
                f"{at} cuts shards of {array.shards or array.chunks} in {array.shape}; write whole shards only."
            )
    if pixels.shape != tuple(part.stop - part.start for part in at) or pixels.dtype != array.dtype:
        raise ValueError(f"{at} of {array.dtype} cannot hold pixels of {pixels.shape} {pixels.dtype}.")
    array[at] = pixels
    return {name: data for name, data in stored(store).items() if name != "zarr.json"}


def open_stored(place: "Place", name: str = "") -> "Array[Any]":
    """An array below a place, to be read."""
    import zarr

    array = zarr.open_array(place.store(), path=name, mode="r")
    assert isinstance(array, zarr.Array)
    return array
