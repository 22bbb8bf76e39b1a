"""Fitting published tiles again, and comparing pixels: what a store says of itself must be enough to make it again."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from tasks.adapted import FOLDER
from tasks.catalog.facts import Facts
from tasks.catalog.inputs import InputRef, stamp_of
from tasks.convergence import CONVERGENCE
from tasks.errors import InputError, RequestError
from tasks.finer import finer
from tasks.measured import read_box
from tasks.plan import InputPlan
from tasks.planning import plan_input
from tasks.readers import open_input
from tasks.recipe import Recipe
from tasks.registry.loading import load_start
from tasks.requests import Request
from tasks.restoration import restore_tiles
from tasks.starts import Start, for_channels, input_start, mosaics, remembered_start
from tasks.stores.encoding import axis_names, open_stored
from tasks.stores.geozarr import IMAGE
from tasks.stores.pixels import finished
from tasks.stores.place import Place
from tasks.stores.showing import published_facts
from tasks.survey import survey_refs
from tasks.tiles import read_tiles
from tasks.tiling import AXES, Box, TileGrid
from tasks.treatment import Treatment, treatment_of

TOLERANCE = 1e-3  # of the noise: what another machine's arithmetic may differ by


@dataclass(frozen=True)
class Verified:
    """A tile that was fitted again. difference: largest, in data units; noise: the tile's sigma, data units."""

    input: str
    tile: int
    pixels: int
    difference: float
    noise: float

    @property
    def is_same(self) -> bool:
        """Equal, or as near as rounding allows."""
        return self.difference <= max(TOLERANCE * self.noise, 0.0) or (self.difference <= 1 and self.noise > 1)

    def sentence(self) -> str:
        """What was found, in a line."""
        if not self.pixels:
            return f"--  {self.input}, tile {self.tile}: all its pixels are blended with those of its neighbours."
        told = "equal to the last bit" if self.difference == 0 else f"different by at most {self.difference:.3g}"
        return f"{'ok ' if self.is_same else 'BAD'} {self.input}, tile {self.tile}: {self.pixels} pixels are {told}."


def verify_tiles(out: Place, count: int, seed: int = 0) -> Iterator[Verified]:
    """Fit some random tiles of a collection again, from the provenance in its stores.

    Pixels that a tile shares with a neighbour are left out, for they are a blend of both.

    Raises:
        RequestError: there is nothing to verify.
        InputError: an input changed since, or is gone.
    """
    rows = _rows(out)
    chosen = rows.sample(min(count, len(rows)), random_state=seed).sort_values(["input", "tile"])
    for name, group in chosen.groupby("input", sort=True):
        yield from _input(out, str(name), group)


def _rows(out: Place) -> pd.DataFrame:
    columns = ["input", "tile", "status", "noise_sigma", "start"]
    tables = [
        pq.read_table(io.BytesIO(out.read(f"{CONVERGENCE}/{name}")), columns=columns).to_pandas()
        for name in (out / CONVERGENCE).names()
    ]
    rows = pd.concat(tables) if tables else pd.DataFrame(columns=columns)
    rows = rows[~rows["status"].isin(["skipped", "diverged", "out_of_memory", "killed"])]
    if rows.empty:
        raise RequestError(
            f"'{out.uri}' holds no restored tile; give OUT/<collection>, as `selfmend restore` named it."
        )
    return rows


def _input(out: Place, name: str, rows: pd.DataFrame) -> Iterator[Verified]:
    told = published_facts(out, name)
    if told is None:
        raise InputError(f"'{name}' is in the table, but its image is not in '{out.uri}'.")
    facts, recipe = Facts.model_validate(told["facts"]), Recipe.model_validate(told["recipe"])
    collection = str(told["collection"])
    entry = _entry(out, name, told, facts, recipe)
    array = open_input(entry.uri, facts, entry.mask, entry.guide_uri)
    source, grid = finer(array, entry.factor), entry.image_grid
    learned = told.get("learned_start")  # images of pixels version 3 do not say
    start = load_start(str(learned)) if learned else recipe.learned_start()
    treatment = treatment_of(recipe, facts, batch=1, device="cpu", start=start)
    torch.set_num_threads(1)
    starts = {}
    if recipe.scope == "collection":
        starts[name] = for_channels(_of_collection(out, str(rows["start"].iloc[0]), treatment), entry)
    elif treatment.input_methods:
        starts[name] = input_start(mosaics(entry, array, recipe.seed, collection), treatment)
    for number, sigma in zip(rows["tile"], rows["noise_sigma"], strict=True):
        tiles = list(read_tiles(entry, array, [int(number)], recipe.seed, collection))
        pixels = restore_tiles(tiles, starts, treatment, {})[0].pixels.reshape(grid.window_shape)
        box = _alone(grid, int(number))
        published = _published(out, name, box)
        again, _ = finished(
            pixels[box.within(grid.tile_window(int(number)))], published.dtype, partial(read_box, source, box)
        )
        difference = np.abs(again.astype(np.float64) - published.astype(np.float64))
        yield Verified(name, int(number), again.size, float(np.nanmax(difference, initial=0.0)), float(sigma))


def _of_collection(out: Place, id_: str, treatment: Treatment) -> Start:
    start = remembered_start(out / FOLDER, id_, treatment)
    if start is None:
        raise InputError(f"'{out.uri}/{FOLDER}' does not hold '{id_}' any more, from which these tiles went on.")
    return start


def _entry(out: Place, name: str, told: dict[str, Any], facts: Facts, recipe: Recipe) -> InputPlan:
    """The input as its plan had it, made again from the facts and the recipe."""
    uri, mask, guide = str(told["input"]), told.get("mask"), told.get("guide")
    stamp = stamp_of(uri, mask, guide)
    if stamp != told["fingerprint"]:
        raise InputError(f"'{uri}' changed since '{name}' was restored from it; restore it again.")
    ref = InputRef(name, uri, stamp, mask=mask, guide=guide)
    (surveyed,) = survey_refs(str(told["collection"]), facts, [ref])
    if surveyed.survey is None:
        raise InputError(surveyed.reason)
    request = Request(str(told["collection"]), facts, recipe, (ref,), out, str(told["key"]))
    return plan_input(request, ref, surveyed.dims, surveyed.shape, surveyed.dtype, surveyed.survey, surveyed.guide)


def _alone(grid: TileGrid, tile: int) -> Box:
    """The pixels that no other tile contributes to."""
    core = grid.tile_core(tile)
    edges = zip(core.start, core.stop, grid.ramp, grid.shape, strict=True)
    inner = [(a + ramp if a > 0 else a, b - ramp if b < n else b) for a, b, ramp, n in edges]
    t, c, z, y, x = inner
    return Box((t[0], c[0], z[0], y[0], x[0]), (t[1], c[1], z[1], y[1], x[1]))


def _published(out: Place, name: str, box: Box) -> NDArray[Any]:
    store = out / f"{name}.zarr"
    array = open_stored(store, IMAGE if store.exists(IMAGE) else "0")
    names = ["c" if dim == "band" else dim for dim in axis_names(array)]
    index = tuple(part for axis, part in zip(AXES, box.slices, strict=True) if axis in names)
    return np.asarray(array[index]).reshape(box.shape)
