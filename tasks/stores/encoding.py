"""Zarr arrays as plain objects, made in memory: a place then writes each of them whole, atomically and durably.

Zarr's own stores do not wait for the disk, and before zarr replaces a shard it reads the old one, and fails where that
is torn. So zarr only encodes here, and only whole shards.

Most arrays are Zarr 3, sharded. Scenes are Zarr 2, which the GDAL of today reads. The two differ in what their metadata
documents are called and where attributes stand in them, and that is known here alone.
"""

import json
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from zarr import Array
    from zarr.abc.numcodec import Numcodec
    from zarr.codecs import BloscCodec
    from zarr.storage import MemoryStore

    from tasks.stores.place import Place

Documents = dict[str, bytes]

# Documents of a store's root, in the order in which they are written, with the way to the root's attributes in each.
# The last of either version makes a store of the rest: Zarr opens none without .zgroup, or without zarr.json.
ROOT_DOCUMENTS: dict[str, tuple[str, ...] | None] = {
    ".zattrs": (),
    ".zmetadata": ("metadata", ".zattrs"),
    ".zgroup": None,
    "zarr.json": ("attributes",),
}
ROOTS = {"zarr.json": "zarr.json", ".zgroup": ".zattrs"}  # what makes a store, and where its attributes stand
_ARRAY_DOCUMENTS = {3: "zarr.json", 2: ".zarray"}


def compressor() -> "BloscCodec":
    """What all pixels are compressed with: small and fast on counts and on restored floats alike."""
    from zarr.codecs import BloscCodec

    return BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")


def compressor_of_zarr_2() -> "Numcodec":
    """The same, as Zarr 2 spells it; 2 is the shuffling of bits."""
    from zarr.registry import get_numcodec

    spelled: Any = {"id": "blosc", "cname": "zstd", "clevel": 1, "shuffle": 2}
    return get_numcodec(spelled)


def stored(store: "MemoryStore") -> Documents:
    """All objects of a store in memory, by name."""
    return {name: buffer.to_bytes() for name, buffer in sorted(store._store_dict.items())}


def array_document(documents: Mapping[str, bytes], path: str) -> bytes:
    """The metadata of an array among the documents of its store. Raises StopIteration where there is no such array."""
    return next(documents[name] for each in _ARRAY_DOCUMENTS.values() if (name := f"{path}/{each}") in documents)


def root_documents(documents: Mapping[str, bytes], attributes: dict[str, Any]) -> Documents:
    """The documents of a store's root with more attributes, in the order in which they are to be written, last of all.

    Raises:
        ValueError: JSON cannot say the attributes.
    """
    return {
        name: documents[name] if way is None else _extended(documents[name], way, attributes)
        for name, way in ROOT_DOCUMENTS.items()
        if name in documents
    }


def root_attributes(store: "Place") -> dict[str, Any] | None:
    """The attributes of a store's root; None where there is no store, or its metadata are broken."""
    for root, name in ROOTS.items():
        if store.exists(root):
            try:
                return _attributes(json.loads(store.read(name)), ROOT_DOCUMENTS[name] or ())
            except (FileNotFoundError, ValueError, LookupError, TypeError):
                return None
    return None


def axis_names(array: "Array[Any]") -> tuple[str, ...]:
    """Names of an array's axes, as Zarr 3 or xarray in Zarr 2 keeps them; none where they have no names."""
    names: Any = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    return tuple(map(str, names or ()))


def shard_objects(metadata: bytes, at: tuple[slice, ...], pixels: NDArray[Any], keep_empty: bool) -> Documents:
    """The objects that hold whole shards of an array, or whole chunks of one without shards.

    Args:
        metadata: the array's document.
        at: where the pixels lie in the array; from the edge of a shard to another, or to the end of the array.
        pixels: of the shape and type that `at` and the array say.
        keep_empty: whether a chunk of nothing but the fill value is stored too.

    Returns:
        Bytes by name, e.g. c/0/1 or 0.1; nothing for a shard without a chunk to store.

    Raises:
        ValueError: the pixels are not whole shards; writing a part of one would lose what another writer put beside it.
    """
    import zarr
    from zarr.core.buffer import default_buffer_prototype
    from zarr.storage import MemoryStore

    document = _ARRAY_DOCUMENTS[json.loads(metadata)["zarr_format"]]
    store = MemoryStore({document: default_buffer_prototype().buffer.from_bytes(metadata)})
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
    return {name: data for name, data in stored(store).items() if name != document}


def open_stored(place: "Place", name: str = "") -> "Array[Any]":
    """An array below a place, to be read."""
    import zarr

    array = zarr.open_array(place.store(), path=name, mode="r")
    assert isinstance(array, zarr.Array)
    return array


def _attributes(document: Any, way: tuple[str, ...]) -> dict[str, Any]:
    found = reduce(lambda inner, key: inner[key], way, document)
    if not isinstance(found, dict):
        raise TypeError("attributes are a mapping")
    return found


def _extended(text: bytes, way: tuple[str, ...], attributes: dict[str, Any]) -> bytes:
    document = json.loads(text)
    _attributes(document, way).update(attributes)
    return json.dumps(document, indent=2, allow_nan=False).encode()
