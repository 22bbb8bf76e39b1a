"""OME-Zarr 0.4 and 0.5: the largest level that is there, with the scale, units and channel names of the metadata.

A plate or a collection of images is not one image: its images are inputs by themselves ('plate.zarr/*/*/*').
"""

from typing import TYPE_CHECKING, Any

from tasks.catalog.facts import Facts
from tasks.catalog.locations import cause
from tasks.errors import InputError
from tasks.readers._canonical import canonical
from tasks.readers._stored import Stored
from tasks.readers._tiff_facts import SECONDS, full_unit
from tasks.readers._zarr_store import is_store, ngff_attributes, require_harmless, zarr_target

if TYPE_CHECKING:
    import xarray as xr

    from tasks.readers._bounded import BoundedStore

SUFFIXES = (".zarr",)
KINDS = {"time": "t", "channel": "c"}


def claims(uri: str) -> bool:
    """Every Zarr store whose root has the metadata of OME-Zarr."""
    return is_store(uri) and ngff_attributes(uri) is not None


def open(uri: str, facts: Facts) -> "xr.DataArray":
    """The image of an OME-Zarr. Raises InputError where it holds none, or more than one."""
    said = ngff_attributes(uri)
    if said is None or "multiscales" not in said:
        what = "a plate or a collection of images" if said else "no OME-Zarr"
        raise InputError(f"{uri} is {what}; give its images as inputs, e.g. '{uri}/0' or '{uri}/*/*/*'.")
    try:
        multiscale = said["multiscales"][0]
        target = zarr_target(uri)
        path, array = _largest(uri, target, [entry["path"] for entry in multiscale["datasets"]])
        letters = _letters(multiscale.get("axes") or list("tczyx"))
        level = next(entry for entry in multiscale["datasets"] if entry["path"] == path)
        scale = _scale(level, len(letters)), _scale(multiscale, len(letters))
    except (KeyError, IndexError, TypeError, StopIteration) as error:
        raise InputError(f"{uri}: its OME-Zarr metadata are broken: {cause(error)}.") from error
    require_harmless(array, uri, target)
    if len(letters) != array.ndim:
        raise InputError(f"{uri}: the metadata name {len(letters)} axes, but level '{path}' has {array.ndim}.")
    notes = () if path == multiscale["datasets"][0]["path"] else (f"The largest level that is there is '{path}'.",)
    size, unit = _sizes(multiscale.get("axes") or [], letters, [a * b for a, b in zip(*scale, strict=True)])
    return canonical(
        Stored(uri, array, letters, tuple(array.chunks), _labels(said), pixel_size=size, unit=unit, notes=tuple(notes)),
        facts,
    )


def _largest(uri: str, target: "BoundedStore", paths: list[str]) -> tuple[str, Any]:
    """The first level that is there. A subset of an image may lack the first ones."""
    import zarr

    for path in paths:
        try:
            return path, zarr.open_array(target, path=path, mode="r")
        except (FileNotFoundError, ValueError):
            continue
    raise InputError(f"{uri}: none of the levels {', '.join(paths)} that its metadata name is there.")


def _letters(axes: list[Any]) -> tuple[str, ...]:
    """A letter per axis. Axes of other kinds keep their names, which the facts must then replace."""
    named = [axis if isinstance(axis, dict) else {"name": str(axis)} for axis in axes]
    return tuple(KINDS.get(axis.get("type", ""), str(axis["name"]).lower()) for axis in named)


def _scale(entry: dict[str, Any], axes: int) -> list[float]:
    transforms = entry.get("coordinateTransformations") or []
    return next((list(one["scale"]) for one in transforms if one.get("type") == "scale"), [1.0] * axes)


def _sizes(axes: list[Any], letters: tuple[str, ...], scale: list[float]) -> tuple[dict[str, float], dict[str, str]]:
    """Pixel sizes and units of the axes that have a unit; a scale without one says nothing but the zoom."""
    units = {
        letter: full_unit(axis["unit"].rstrip("s") if axis.get("type") == "time" else axis["unit"])
        for letter, axis in zip(letters, axes, strict=False)
        if isinstance(axis, dict) and axis.get("unit") and letter != "c"
    }
    size = {letter: float(value) for letter, value in zip(letters, scale, strict=True) if letter in units}
    if "t" in units:
        size["t"] *= SECONDS.get(units["t"], 1.0)
        units["t"] = "second"
    return size, units


def _labels(said: dict[str, Any]) -> tuple[str, ...]:
    channels = (said.get("omero") or {}).get("channels") or []
    labels = [channel.get("label") for channel in channels]
    return tuple(map(str, labels)) if labels and all(labels) else ()
