"""What Zarr stores say of themselves, on a disk or behind a URI."""

import json
import os
from typing import TYPE_CHECKING, Any

from tasks.catalog.listing import STORE_MARKERS
from tasks.catalog.locations import cause, connect, plain, scheme, split_variable, suffix
from tasks.errors import InputError

if TYPE_CHECKING:
    from tasks.readers._bounded import BoundedStore


def is_store(uri: str) -> bool:
    """Whether it is a Zarr store: by its extension, or by the marker files in a folder."""
    store, _ = split_variable(uri)
    if suffix(store) == ".zarr":
        return True
    local = plain(store)
    return scheme(store) == "" and any(os.path.exists(os.path.join(local, marker)) for marker in STORE_MARKERS)


def root_attributes(uri: str) -> dict[str, Any]:
    """Attributes of the store's root, of Zarr 3 or 2; empty where there are none. Raises InputError for broken JSON."""
    store, _ = split_variable(uri)
    if (text := _text(store, "zarr.json")) is not None:
        return dict(_parsed(text, f"{store}/zarr.json").get("attributes") or {})
    if (text := _text(store, ".zattrs")) is not None:
        return _parsed(text, f"{store}/.zattrs")
    return {}


def ngff_attributes(uri: str) -> dict[str, Any] | None:
    """What OME-Zarr says of the store: 'multiscales', 'plate', 'omero', ...; None where it is no OME-Zarr."""
    attributes = root_attributes(uri)
    found = attributes.get("ome", attributes)
    return found if isinstance(found, dict) and {"multiscales", "plate", "bioformats2raw.layout"} & set(found) else None


def zarr_target(uri: str) -> "BoundedStore":
    """The store at a path or URI, for zarr-python and xarray. Raises InputError without the package."""
    from zarr.storage import FsspecStore, LocalStore

    from tasks.readers._bounded import BoundedStore

    if scheme(uri) == "":
        return BoundedStore(LocalStore(plain(uri), read_only=True), uri)
    connect(uri)
    return BoundedStore(FsspecStore.from_url(uri, read_only=True), uri)


def require_harmless(array: Any, uri: str, store: "BoundedStore | None" = None) -> None:
    """Refuse an array whose chunks are Python objects: reading them would run whatever code they hold.

    Args:
        store: where it lies; from now on its chunks are measured before they are unpacked.

    Raises:
        InputError: it is such an array, or packed twice.
    """
    metadata = array.metadata
    codecs = [*(getattr(metadata, "filters", None) or ()), *(getattr(metadata, "codecs", None) or ())]
    codecs.append(getattr(metadata, "compressor", None))
    names = " ".join(f"{type(codec).__name__} {getattr(codec, 'codec_id', '')}".lower() for codec in codecs)
    if "pickle" in names or array.dtype.kind == "O":
        raise InputError(f"{uri} holds Python objects, which run code when they are read; write it again as numbers.")
    if store is not None:
        store.bind(array)


def _text(store: str, name: str) -> str | None:
    if scheme(store) == "":
        path = os.path.join(plain(store), name)
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    files, path = connect(store)
    try:
        return str(files.cat_file(f"{path.rstrip('/')}/{name}").decode("utf-8", "replace"))
    except FileNotFoundError:
        return None
    except Exception as error:
        raise InputError(f"'{store}' cannot be reached: {cause(error)}.") from error


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is broken: {error}.") from error
    if not isinstance(found, dict):
        raise InputError(f"{where} is broken: expected a mapping.")
    return found
