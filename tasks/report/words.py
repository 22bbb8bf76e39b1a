"""Numbers and places in words, for the report."""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.report.published import PublishedImage

QUERY = """\
SELECT input, tile, t, c, z, y0, x0, h, w, verdict, verdict_reason, skill, residual_ratio, seam
FROM 'convergence/*.parquet'
WHERE verdict IN ('suspect', 'failed')
ORDER BY verdict, skill"""


@dataclass(frozen=True)
class Snippet:
    """How to open the results in a program. lines: to type, or to do."""

    program: str
    lines: str


def number(value: Any, digits: int = 2) -> str:
    """A number with so many decimals, or a dash; very large and very small ones with their power of ten."""
    if value is None or not math.isfinite(value):
        return "–"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits}e}"
    return f"{value:,.{digits}f}".replace("-", "−")


def decibel(value: Any) -> str:
    """A difference in dB with its sign, or a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{round(value, 1) + 0.0:+.1f} dB".replace("-", "−")


def share(value: float) -> str:
    """A share in per cent; never 0 or 100 where it is not exactly that."""
    if 0 < value < 0.001:
        return "less than 0.1 %"
    if 0.999 < value < 1:
        return "more than 99.9 %"
    return f"{value:.1%}".replace("%", " %")


def noise(facts: Mapping[str, Any]) -> str:
    """Where the noise of a collection is known from, by the facts that an image was made with."""
    told = facts.get("noise", "estimate")
    if isinstance(told, str) or told.get("looks") == "estimate":
        return "found in each input"
    if told.get("inputs"):
        return f"found in {told['inputs']:,} inputs together"
    return "none" if told["kind"] == "none" else f"told: {told['kind']}"


def ratio(part: int, whole: int) -> float:
    """A part as a share of the whole; 0 of nothing."""
    return part / whole if whole else 0.0


def duration(seconds: float) -> str:
    """A time span in its two largest units."""
    whole = round(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (whole % 60, "s")]
    first = next((i for i, (count, _) in enumerate(parts) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count or first == 3)


def size(value: Any) -> str:
    """A number of bytes, or nothing where it is unknown."""
    if value is None or not math.isfinite(value) or value <= 0:
        return ""
    power = min(4, int(math.log2(value) // 10))
    return f"{value / 1024**power:.{1 if power else 0}f} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"


def rungs(tiles: dict[str, int]) -> str:
    """For how many tiles a learned start was taken as it is, and for how many adapted; nothing without a start."""
    told = {rung: "as it is" if rung == "start" else f"adapted by {rung}" for rung in sorted(tiles, reverse=True)}
    return f"a learned start ({'; '.join(f'{told[rung]}: {tiles[rung]:,}' for rung in told)})" if tiles else ""


def snippets(images: list[PublishedImage]) -> list[Snippet]:
    """How to open images like these, with paths relative to the collection's folder."""
    return [each for image in images for each in (_scene if image.layout == "geo" else _ngff)(f"{image.name}.zarr")]


def _ngff(path: str) -> list[Snippet]:
    opened = f'image = zarr.open_group({path!r}, mode="r")["0"]'
    return [
        Snippet("napari", f"napari --plugin napari-ome-zarr {shlex.quote(path)}"),
        Snippet("Fiji", f"drag the folder {path} onto Fiji, or File › Import › HDF5/N5/Zarr/OME-NGFF"),
        Snippet("Neuroglancer", f"serve this folder over HTTP with CORS, layer source: zarr3://http://HOST/{path}"),
        Snippet("Python", f'import zarr\n# "0" is the image, "1", "2" ... are half-size copies\n{opened}'),
    ]


def _scene(path: str) -> list[Snippet]:
    opened = f'xarray.open_zarr({path!r}, decode_coords="all")'
    return [
        Snippet("QGIS, GDAL", f'Layer › Add raster layer, source: ZARR:"{path}":/image'),
        Snippet("Python", f"import xarray, rioxarray\nscene = {opened}\nscene.image, scene.verdict"),
        Snippet("GeoTIFF", f'import xarray, rioxarray\n{opened}.image.rio.to_raster("image.tif")'),
    ]
