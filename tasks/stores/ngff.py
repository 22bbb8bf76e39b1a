"""OME-Zarr 0.5: all metadata of a published image, made in memory and validated before a pixel is written."""

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.stores.encoding import compressor, stored
from tasks.stores.image_facts import ORIGINS, VERDICTS, ImageFacts
from tasks.tiling import AXES, Five

if TYPE_CHECKING:
    from zarr import Group
    from zarr.storage import MemoryStore

VERDICT, FILLED = "labels/verdict", "labels/filled"
_KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_UNITS = {"µm": "micrometer", "μm": "micrometer", "um": "micrometer", "micron": "micrometer", "nm": "nanometer"}
_UNITS |= {"mm": "millimeter", "m": "meter", "metre": "meter", "s": "second"}
_COLOURS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF", "FFFFFF")
_VERDICT_COLOURS = ((0, 0, 0, 0), (0, 158, 115, 96), (230, 159, 0, 128), (213, 94, 0, 160))
_ORIGIN_COLOURS = ((0, 0, 0, 0), (86, 180, 233, 128), (0, 0, 0, 160))
_valid = deque[str](maxlen=100)  # forms of images whose metadata this process found valid: it takes as long as the rest


def ngff_documents(facts: ImageFacts) -> dict[str, bytes]:
    """Every metadata object of the store by its name; "zarr.json" is the root.

    Raises:
        ValueError: the metadata are not valid OME-Zarr 0.5, which is a mistake of this program.
    """
    import zarr
    from zarr.storage import MemoryStore

    store = MemoryStore()
    root = zarr.create_group(store, attributes={"ome": _image_metadata(facts)})
    maps = {"verdict": (VERDICTS, _VERDICT_COLOURS)} | ({"filled": (ORIGINS, _ORIGIN_COLOURS)} if facts.fills else {})
    labels = root.create_group("labels", attributes={"ome": {"version": "0.5", "labels": [*maps]}})
    for level, shape in enumerate(facts.levels):
        _array(root, level, shape, facts, facts.dtype)
    for name, (words, colours) in maps.items():
        label = labels.create_group(name, attributes={"ome": _label_metadata(facts, name, words, colours)})
        for level, shape in enumerate(facts.levels):
            _array(label, level, facts.verdict_shape(shape), facts, "uint8")
    form = repr(replace(facts, name="", windows=()))  # neither can make metadata invalid
    if form not in _valid:
        _validate(store)
        _valid.append(form)
    return stored(store)


def _array(group: "Group", level: int, shape: Five, facts: ImageFacts, dtype: str) -> None:
    chunks, shards = facts.own(facts.chunks(shape)), facts.own(facts.shards(shape))
    group.create_array(
        str(level),
        shape=facts.own(shape),
        dtype=dtype,
        chunks=chunks,
        shards=None if shards == chunks else shards,
        fill_value=0,
        compressors=compressor(),
        dimension_names=facts.dims,
    )


def _image_metadata(facts: ImageFacts) -> dict[str, Any]:
    return {
        "version": "0.5",
        "multiscales": [_multiscale(facts, "mean of 2 x 2")],
        "omero": {
            "channels": [_channel(facts, index) for index in range(facts.shape[1])],
            "rdefs": {"model": "color" if facts.shape[1] > 1 else "greyscale"},
        },
    }


def _label_metadata(
    facts: ImageFacts, name: str, words: tuple[str, ...], colours: tuple[tuple[int, ...], ...]
) -> dict[str, Any]:
    return {
        "version": "0.5",
        "multiscales": [_multiscale(facts, "nearest")],
        "image-label": {
            "version": "0.5",
            "colors": [{"label-value": code, "rgba": list(rgba)} for code, rgba in enumerate(colours)],
            "properties": [{"label-value": code, name: word} for code, word in enumerate(words)],
            "source": {"image": "../../"},
        },
    }


def _multiscale(facts: ImageFacts, how: str) -> dict[str, Any]:
    sizes = [facts.pixel_size.get(axis, 1.0) for axis in AXES]
    datasets = []
    for level in range(len(facts.levels)):
        grow = [2.0**level if axis in "yx" else 1.0 for axis in AXES]
        scale = [size * factor for size, factor in zip(sizes, grow, strict=True)]
        shift = [
            facts.first_pixel.get(axis, 0.0) + size * (factor - 1) / 2
            for axis, size, factor in zip(AXES, sizes, grow, strict=True)
        ]
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": list(facts.own(scale))}]
        if any(shift):
            transforms.append({"type": "translation", "translation": list(facts.own(shift))})
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    axes = [_axis(axis, facts) for axis in facts.dims]
    return {"name": facts.name, "axes": axes, "datasets": datasets, "type": how}


def _axis(axis: str, facts: ImageFacts) -> dict[str, str]:
    named = {"name": axis, "type": _KINDS[axis]}
    unit = facts.units.get(axis)
    if unit and axis in facts.pixel_size:
        named["unit"] = _UNITS.get(unit, unit)
    return named


def _channel(facts: ImageFacts, index: int) -> dict[str, Any]:
    names = facts.channels or ((facts.name,) if facts.shape[1] == 1 else tuple(map(str, range(facts.shape[1]))))
    start, end = facts.windows[index]
    dtype = np.dtype(facts.dtype)
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    window = {
        "min": float(limits.min if limits else start),
        "max": float(limits.max if limits else end),
        "start": start,
        "end": end,
    }
    colour = "FFFFFF" if facts.shape[1] == 1 else _COLOURS[index % len(_COLOURS)]
    return {"label": names[index], "color": colour, "active": True, "window": window}


def _validate(store: "MemoryStore") -> None:
    import zarr
    from ome_zarr_models.common.omero import Omero
    from ome_zarr_models.v05.image import Image
    from ome_zarr_models.v05.image_label import ImageLabel
    from ome_zarr_models.v05.labels import Labels

    root = zarr.open_group(store, mode="r")
    Image.from_zarr(root)
    Labels.from_zarr(zarr.open_group(store, path="labels", mode="r"))
    attributes: dict[str, Any] = dict(root.attrs)
    for _, label in zarr.open_group(store, path="labels", mode="r").groups():
        ImageLabel.from_zarr(label)
    Omero.model_validate(attributes["ome"]["omero"])
