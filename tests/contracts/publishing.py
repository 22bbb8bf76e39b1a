"""An input whose method returned what it saw: all its shards stored, ready to be published."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from contracts.tile_grid import windows
from numpy.typing import NDArray

from tasks.blend import blend
from tasks.plan import ChannelNoise, InputPlan, Survey
from tasks.publish import PublishJob, publish_input
from tasks.stores.place import Place
from tasks.stores.shards import create_work, work_array, write_shard
from tasks.tiling import AXES, Five, TileGrid

# Transforms of scenes: a, b, c, d, e, f.
NORTH_UP = (10, 0, 300_000, 0, -10, 5_000_040)
ROTATED = (-0.14, -0.58, 337_396.03, -0.58, 0.14, 7_840_223.4)


def image(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray[Any]:
    """Random values over all of a type."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (1000 * rng.normal(size=shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, np.dtype(dtype), endpoint=True)


def source(pixels: NDArray[Any], dims: tuple[str, ...], **attrs: Any) -> xr.DataArray:
    """An input as a reader opens it."""
    coords = {"c": [f"band {i}" for i in range(pixels.shape[dims.index("c")])]} if "c" in dims else {}
    return xr.DataArray(pixels, dims=dims, coords=coords, attrs={"layout": "ngff", "nodata": None, **attrs})


def scene(
    pixels: NDArray[Any],
    dims: tuple[str, ...],
    transform: tuple[float, ...] = NORTH_UP,
    crs: str = "EPSG:32633",
    **attrs: Any,
) -> xr.DataArray:
    """A scene as its reader opens it: with coordinates along y and x, unless it is rotated."""
    import rioxarray  # noqa: F401 - gives arrays their .rio
    from affine import Affine

    a, b, c, _, e, f = transform[:6]
    opened = source(pixels, dims, layout="geo", **attrs).rio.write_crs(crs).rio.write_transform(Affine(*transform[:6]))
    opened.attrs = {key: value for key, value in opened.attrs.items() if key != "grid_mapping"}
    if b == 0:
        opened = opened.assign_coords(
            y=f + e * (np.arange(opened.sizes["y"]) + 0.5), x=c + a * (np.arange(opened.sizes["x"]) + 0.5)
        )
    return opened


def grid_of(opened: xr.DataArray, tile: int = 16, ramp: int = 4, shard: int = 48, joint: bool = True) -> TileGrid:
    """A grid of planes, with several shards where the image is larger than one."""
    shape: Any = tuple(opened.sizes.get(axis, 1) for axis in AXES)
    channels = shape[1] if joint else 1
    return TileGrid(
        shape,
        (1, channels, 1, tile, tile),
        (0, 0, 0, ramp + 2, ramp + 2),
        (0, 0, 0, ramp, ramp),
        (1, channels, 2, shard, shard),
    )


def planned(opened: xr.DataArray, grid: TileGrid, name: str = "a", key: str = "key") -> InputPlan:
    """The input in its plan."""
    channels = grid.shape[1]
    survey = Survey(
        offset=(0.0,) * channels,
        scale=(1.0,) * channels,
        noise=(ChannelNoise(0.0, 1.0),) * channels,
        noise_source="estimate",
        low=(3.0,) * channels,
        high=(250.0,) * channels,
        valid=1.0,
        empty=0.0,
    )
    return InputPlan(name, f"{name}.tif", "print", key, opened.dims, str(opened.dtype), grid, survey, False)  # type: ignore[arg-type]


def restored(opened: xr.DataArray, grid: TileGrid, top: Place, change: float = 0.0, **other: Any) -> PublishJob:
    """All shards stored by a method that adds `change` to what it sees; NaN where nodata stood."""
    shape: Five = grid.shape
    raw = opened.values.reshape(shape)
    seen = raw.astype(np.float32) + np.float32(change)
    nodata = opened.attrs.get("nodata")
    if nodata is not None:
        gaps = np.isnan(raw) if np.isnan(nodata) else raw == nodata
        seen[np.broadcast_to(gaps.any(axis=1, keepdims=True), shape)] = np.nan
    key, name = other.pop("key", "key"), other.pop("name", "a")
    work = top / ".work" / key
    place = work_array(work, name)
    create_work(place, grid)
    checksums = {
        shard: write_shard(place, grid, shard, blend(grid, shard, windows(grid, shard, seen)))
        for shard in range(grid.shards)
    }
    given: dict[str, Any] = {
        "verdicts": (np.arange(grid.tiles) % 4).astype(np.uint8),
        "dtype": "same",
        "chunk": 32,
        "pyramid": True,
        "provenance": {"recipe": "identity"},
        **other,
    }
    return PublishJob(
        input=planned(opened, grid, name, key),
        out=top,
        work=work,
        source=opened,
        read_source=lambda box: raw[box.slices],
        checksums=checksums,
        **given,
    )


def published(opened: xr.DataArray, folder: Path, **given: Any) -> Path:
    """The path of the store that a scene becomes in a folder."""
    publish_input(restored(opened, grid_of(opened, tile=128, shard=256), Place(str(folder)), **given))
    return folder / "a.zarr"


def digest(place: Place, name: str = "a") -> dict[str, str]:
    """Every object of a published image, and what its bytes add up to."""
    store = place / f"{name}.zarr"
    return {path: hashlib.sha256(store.read(path)).hexdigest() for path in store.names()}
