"""A plain Zarr array, or a Zarr dataset of xarray. 'scene.zarr#red' names an array where a store holds several."""

import warnings
from typing import TYPE_CHECKING, Any

from tasks.catalog.facts import Facts
from tasks.catalog.locations import cause, split_variable
from tasks.errors import InputError, nearest
from tasks.readers._canonical import canonical
from tasks.readers._dataset import LETTER_OF, stored_variable
from tasks.readers._stored import Stored
from tasks.readers._zarr_store import is_store, ngff_attributes, require_harmless, zarr_target

if TYPE_CHECKING:
    import xarray as xr

    from tasks.readers._bounded import BoundedStore

SUFFIXES = (".zarr",)


def claims(uri: str) -> bool:
    """Every Zarr store that is no OME-Zarr."""
    return is_store(uri) and ngff_attributes(uri) is None


def open(uri: str, facts: Facts) -> "xr.DataArray":
    """An array of a Zarr store. Raises InputError where it is broken, or holds none or several."""
    import zarr

    store, wanted = split_variable(uri)
    try:
        target = zarr_target(store)
        node = zarr.open(target, mode="r")
    except Exception as error:
        raise InputError(f"{store} cannot be read as Zarr: {cause(error)}.") from error
    if isinstance(node, zarr.Array):
        require_harmless(node, store, target)
        return canonical(_stored(uri, node), facts)
    arrays = dict(node.arrays())
    for name, array in arrays.items():
        require_harmless(array, f"{store}/{name}", target)
    if wanted is not None and wanted not in arrays:
        raise InputError(f"{store} has no array '{wanted}'; it has {', '.join(arrays)}.{nearest(wanted, arrays)}")
    if arrays and all(_dimensions(array) or array.ndim == 0 for array in arrays.values()):
        return canonical(stored_variable(uri, _dataset(store, target), wanted), facts)
    if wanted is None and len(arrays) != 1:
        raise InputError(f"{store} holds {len(arrays)} arrays; say which: '{store}#NAME' (of {', '.join(arrays)}).")
    return canonical(_stored(uri, arrays[wanted or next(iter(arrays))]), facts)


def _stored(uri: str, array: Any) -> Stored:
    names = _dimensions(array) or (*(f"axis{axis}" for axis in range(array.ndim - 2)), "y", "x")
    letters = tuple(LETTER_OF.get(str(name).lower(), str(name)) for name in names)
    return Stored(uri, array, letters, tuple(array.chunks))


def _dimensions(array: Any) -> tuple[str, ...]:
    """Names of the axes, as Zarr 3 or xarray keeps them; none where they are not named."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    return tuple(names) if all(names) else ()


def _dataset(store: str, target: "BoundedStore") -> "xr.Dataset":
    import xarray as xr

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return xr.open_dataset(
                target,  # type: ignore[arg-type] # a store of Zarr is as good
                engine="zarr",
                cache=False,
                mask_and_scale=False,
                decode_times=False,
                decode_coords="all",
            )
    except Exception as error:
        raise InputError(f"{store} cannot be read as a Zarr dataset: {cause(error)}.") from error
