"""A published image, opened to be looked at: its axes, channels and copies; planes of it, and what it was made from."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.catalog.facts import Facts
from tasks.catalog.inputs import stamp_of
from tasks.errors import InputError
from tasks.finer import finer
from tasks.readers._masked import MASK, said_measured
from tasks.stores.encoding import axis_names, open_stored, root_attributes
from tasks.stores.geozarr import IMAGE
from tasks.stores.place import Place
from tasks.stores.showing import MARK
from tasks.tiling import AXES

if TYPE_CHECKING:
    import xarray as xr

Pixels = NDArray[np.float32]
_COLOURS = (("red", "green", "blue"), ("r", "g", "b"), ("b04", "b03", "b02"), ("b4", "b3", "b2"))


@dataclass(frozen=True)
class PublishedImage:
    """An image as its store tells it. levels: paths of the image and its half-size copies. said: how it was made."""

    name: str
    place: Place
    layout: str  # "geo" or "ngff"
    dims: tuple[str, ...]
    shape: dict[str, int]
    levels: tuple[str, ...]
    channels: tuple[str, ...]
    nodata: float | None
    said: dict[str, Any] = field(repr=False)

    def size(self, axis: str) -> int:
        """Pixels along an axis; 1 for one that the image does not have."""
        return self.shape.get(axis, 1)

    @property
    def factor(self) -> int:
        """Its pixels per measured one, along y and x."""
        return int((self.said.get("recipe", {}).get("zoom") or {}).get("factor", 1))

    def measured_again(self, channel: int, pixels: Pixels) -> Pixels:
        """Some (h, w) of an enlarged image as its recipe takes the instrument to see it, on the grid of the image."""
        if self.factor == 1:
            return pixels
        import torch  # not for pages that need none of it

        from tasks.instrument import instrument_of
        from tasks.recipe import Recipe

        recipe, facts = Recipe.model_validate(self.said["recipe"]), Facts.model_validate(self.said["facts"])
        instrument = instrument_of(recipe, facts)
        assert instrument is not None
        A = instrument.degradation(self.name, [slice(channel, channel + 1)], torch.device("cpu"))
        seen = A(torch.from_numpy(pixels)[None, None])[0, 0].numpy()
        return np.asarray(seen.repeat(self.factor, 0).repeat(self.factor, 1))

    @property
    def shown_channels(self) -> tuple[int, ...]:
        """The channels of a picture: red, green and blue where there are such, all of three, else the first."""
        count = self.size("c")
        names = [name.lower() for name in self.channels]
        named = next((each for each in _COLOURS if count >= 3 and set(each) <= set(names)), None)
        if named:
            return tuple(names.index(name) for name in named)
        return (0, 1, 2) if count == 3 or (count > 3 and self.layout == "geo") else (0,)

    def window(
        self, place: dict[str, int], channels: tuple[int, ...], rows: slice, columns: slice, level: int = 0
    ) -> Pixels:
        """Pixels (c, h, w) of one plane, NaN where nothing was measured.

        Args:
            place: t and z of the plane.
            rows, columns: in pixels of the level; they may have a step.
        """
        array = open_stored(self.place, self.levels[level])
        planes = []
        for channel in channels:
            at: dict[str, Any] = {"t": place.get("t", 0), "c": channel, "z": place.get("z", 0), "y": rows, "x": columns}
            planes.append(np.asarray(array[tuple(at[axis] for axis in self.dims)]))
        return _measured(np.stack(planes), self.nodata)


def open_published(out: Place, name: str) -> PublishedImage | None:
    """The published image of an input, or None where there is no complete one.

    Args:
        out: folder of the collection.
    """
    place = out / f"{name}.zarr"
    told = root_attributes(place) or {}
    if not isinstance(told.get(MARK), dict):
        return None
    is_ngff = "ome" in told
    levels, channels = _ngff(told["ome"]) if is_ngff else ((IMAGE,), ())
    array = open_stored(place, levels[0])
    dims = tuple("c" if axis == "band" else axis for axis in axis_names(array))
    attributes: dict[str, Any] = dict(array.attrs)
    names = channels if is_ngff else attributes.get("long_name", ())
    return PublishedImage(
        name=name,
        place=place,
        layout="ngff" if is_ngff else "geo",
        dims=dims,
        shape=dict(zip(dims, array.shape, strict=True)),
        levels=levels,
        channels=tuple(map(str, names)) if isinstance(names, list | tuple) else (),
        nodata=_number(told[MARK].get("facts", {}).get("nodata") if is_ngff else array.fill_value),
        said=told[MARK],
    )


def open_source(image: PublishedImage) -> "xr.DataArray":
    """The input of a published image, as it was when it was restored, on the grid of the image.

    Raises:
        InputError: it is gone, cannot be read, or is another file by now.
    """
    from tasks.readers import open_input

    uri, mask = str(image.said.get("input")), image.said.get("mask")
    try:
        if image.said.get("fingerprint") not in (None, stamp_of(uri, mask)):
            raise InputError(f"'{uri}' has changed since it was restored.")
        return finer(open_input(uri, Facts.model_validate(image.said.get("facts")), mask), image.factor)
    except InputError:
        raise
    except (ValueError, OSError) as error:
        raise InputError(f"'{uri}' cannot be read: {' '.join(str(error).split())}") from error


def source_window(
    source: "xr.DataArray", place: dict[str, int], channels: tuple[int, ...], rows: slice, columns: slice
) -> Pixels:
    """Pixels (c, h, w) of one plane of an input, NaN where nothing was measured.

    Raises:
        InputError: they cannot be read.
    """
    index = {"t": place.get("t", 0), "c": list(channels), "z": place.get("z", 0), "y": rows, "x": columns}
    own = {axis: index[axis] for axis in AXES if axis in source.dims}
    part = source.isel(own)
    values = np.asarray(part.data.compute(scheduler="synchronous"))
    found = _measured(values.reshape(len(channels), *values.shape[-2:]), source.attrs.get("nodata"))
    if MASK in part.coords:
        mask = part.coords[MASK]
        seen = said_measured(mask, np.asarray(mask.data.compute(scheduler="synchronous")))
        found[np.broadcast_to(~seen, found.shape)] = np.nan
    return found


def _ngff(ome: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    levels = tuple(str(each["path"]) for each in ome["multiscales"][0]["datasets"])
    return levels, tuple(str(each.get("label", "")) for each in ome.get("omero", {}).get("channels", ()))


def _number(value: Any) -> float | None:
    """A nodata value; the facts write NaN as text, for JSON has none."""
    return None if value is None else float(value)


def _measured(pixels: NDArray[Any], nodata: float | None) -> Pixels:
    found = pixels.astype(np.float32)
    if nodata is not None and not math.isnan(nodata):
        found[pixels == nodata] = np.nan
    return found
