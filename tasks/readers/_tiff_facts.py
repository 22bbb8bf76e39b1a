"""What a TIFF says of its image besides the pixels: sizes, units, channel names, nodata."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

# Units as people and programs write them, and as OME-Zarr wants them.
UNITS = {
    "m": "meter", "metre": "meter", "meter": "meter",
    "cm": "centimeter", "centimeter": "centimeter",
    "mm": "millimeter", "millimeter": "millimeter",
    "µm": "micrometer", "μm": "micrometer", "um": "micrometer", "\\u00b5m": "micrometer",
    "micron": "micrometer", "microns": "micrometer", "micrometer": "micrometer", "micrometre": "micrometer",
    "nm": "nanometer", "nanometer": "nanometer",
    "pm": "picometer", "å": "angstrom", "angstrom": "angstrom",
    "s": "second", "sec": "second", "second": "second", "ms": "millisecond", "µs": "microsecond",
    "min": "minute", "h": "hour",
}  # fmt: skip
SECONDS = {"second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6, "minute": 60.0, "hour": 3600.0}


@dataclass(frozen=True)
class TiffFacts:
    """Sizes and units by the letter of the axis; names of the channels."""

    pixel_size: Mapping[str, float] = field(default_factory=dict)
    unit: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    nodata: float | None = None


def tiff_facts(tiff: Any, series: Any) -> TiffFacts:
    """From OME-XML, ImageJ's description or the resolution tags, whichever the file has."""
    if tiff.is_ome and tiff.ome_metadata:
        return _ome(tiff.ome_metadata)
    if tiff.is_imagej and tiff.imagej_metadata:
        return _imagej(tiff.imagej_metadata, tiff.pages[0], series)
    return _plain(tiff.pages[0], series)


def full_unit(unit: Any) -> str:
    """A unit of length or time in full, as OME-Zarr writes it; unknown ones as they are."""
    return UNITS.get(str(unit).strip().lower(), str(unit).strip())


def _ome(text: str) -> TiffFacts:
    image = next((node for node in ElementTree.fromstring(text) if _tag(node) == "Image"), None)
    pixels = None if image is None else next((node for node in image if _tag(node) == "Pixels"), None)
    if pixels is None:
        return TiffFacts()
    size, unit = {}, {}
    for letter in "xyz":
        if value := _positive(pixels.get(f"PhysicalSize{letter.upper()}")):
            size[letter] = value
            unit[letter] = full_unit(pixels.get(f"PhysicalSize{letter.upper()}Unit", "µm"))
    if step := _positive(pixels.get("TimeIncrement")):
        size["t"] = step * SECONDS.get(full_unit(pixels.get("TimeIncrementUnit", "s")), 1.0)
        unit["t"] = "second"
    nodes = [node for node in pixels if _tag(node) == "Channel"]
    named = all(node.get("Name") for node in nodes)
    return TiffFacts(size, unit, tuple(str(node.get("Name")) for node in nodes) if named else ())


def _imagej(description: Mapping[str, Any], page: Any, series: Any) -> TiffFacts:
    written = str(description.get("unit") or "")
    unit = full_unit(written.encode().decode("unicode_escape", "replace") if "\\u" in written else written)
    size: dict[str, float] = {}
    if unit and unit not in ("pixel", "pixels"):
        size |= {letter: per for letter in "xy" if (per := _per_pixel(page, letter))}
        if step := _positive(description.get("spacing")):
            size["z"] = step
    units = dict.fromkeys(size, unit)
    if step := _positive(description.get("finterval")):
        size["t"], units["t"] = step * SECONDS.get(full_unit(description.get("tunit", "s")), 1.0), "second"
    labels = description.get("Labels") or ()
    # With z or t beside c, labels are those of planes.
    channels = tuple(map(str, labels)) if series.axes == "CYX" and all(labels) else ()
    return TiffFacts(size, units, channels)


def _plain(page: Any, series: Any) -> TiffFacts:
    size = {}
    if "ResolutionUnit" in page.tags and int(page.tags["ResolutionUnit"].value) == 3:
        size = {letter: 1e4 * per for letter in "xy" if (per := _per_pixel(page, letter))}
    colour = int(page.photometric) in (2, 6) and "S" in series.axes
    names = ("red", "green", "blue", "alpha")[: page.samplesperpixel] if colour else ()
    nodata = float(page.nodata) if "GDAL_NODATA" in page.tags else None
    return TiffFacts(size, dict.fromkeys(size, "micrometer"), names, nodata)


def _per_pixel(page: Any, letter: str) -> float | None:
    tag = page.tags.get(f"{letter.upper()}Resolution")
    count, length = tag.value if tag is not None else (0, 0)
    return length / count if count and length else None


def _positive(value: Any) -> float | None:
    try:
        return float(value) if value is not None and 0 < float(value) < float("inf") else None
    except (TypeError, ValueError):
        return None


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]
