"""How an input is cut: tile, halo, ramp and shard chosen from its shape, the method and the recipe. Integers only.

Nothing here is measured: a grid decides which pixels a network sees, so it must come out the same on every machine.
"""

from dataclasses import replace

from il_models.method import Fitted, Method
from tasks.errors import RequestError
from tasks.recipe import Recipe
from tasks.tiling import Five, TileGrid

TILE = 256  # px: one CPU-minute to ten per network; a stack's plane is often two to four of them
BLENDED_HALO = 16  # px that a tile with a network of its own borrows; two tiles blend over twice the ramp
GLOBAL_HALO = 32
SHARD_SIDE = 2048  # px
SHARD_BYTES = 32 * 2**20  # float32 pixels of a shard
SHARD_WORK = 1e13  # multiply-adds: some minutes of one CPU core, so that little is lost with a worker


def grid_for(shape: Five, method: Method, recipe: Recipe, border: int = 0) -> TileGrid:
    """The grid of an input of shape (t, c, z, y, x).

    Args:
        border: pixels from which light falls into a tile, so that it must borrow at least as many.

    Raises:
        RequestError: tile, halo and shard of the recipe contradict each other or the method.
    """
    ramp = 0 if is_local(method, recipe) else ramp_of(method)
    halo = _halo(method, recipe, ramp)
    if halo < border and recipe.tiling.halo != "auto":
        raise RequestError(
            f"tiling.halo = {halo} px is smaller than the {border} px to which the PSF spreads light; set "
            f"tiling.halo >= {border}, or leave it out."
        )
    halo = max(halo, border)
    if recipe.fill is not None:
        halo = _reaching(halo, ramp + recipe.fill.within, recipe)
    wanted = TILE if recipe.tiling.tile == "auto" else recipe.tiling.tile
    if wanted < max(1, 2 * ramp):
        raise RequestError(
            f"tiling.tile = {wanted} px is too small for {method.name} with scope {recipe.scope}: tiles blend over "
            f"{ramp} px on either side of their borders; set tiling.tile >= {2 * ramp}."
        )
    if halo < ramp:
        raise RequestError(
            f"tiling.halo = {halo} px is smaller than the {ramp} px over which {method.name}'s tiles blend; set "
            f"tiling.halo >= {ramp}, or leave it out."
        )
    height, width = (wanted if recipe.tiling.tile != "auto" else balanced(n, wanted, 2 * ramp) for n in shape[3:])
    core = (1, shape[1] if recipe.channels == "joint" else 1, 1, height, width)
    return _sharded(TileGrid(shape, core, (0, 0, 0, halo, halo), (0, 0, 0, ramp, ramp), core), method, recipe)


def is_local(method: Method, recipe: Recipe) -> bool:
    """Whether a pixel depends on nothing beyond the method's reach: then tiles need no blending, a cut is exact."""
    shared = recipe.is_shared and recipe.own_steps == 0 and not recipe.is_mixed
    cuts = method.reach is not None and (shared or not isinstance(method, Fitted))
    return cuts and recipe.fill is None  # what is inferred depends on all of its tile


def ramp_of(method: Method) -> int:
    """Half the width over which tiles with networks of their own are blended, px."""
    return GLOBAL_HALO if method.reach is None else BLENDED_HALO - min(4, method.reach)


def balanced(length: int, wanted: int, least: int = 1) -> int:
    """Side of a core near `wanted` that cuts a length into nearly equal cores, so that the last is no sliver."""
    count = max(1, round(length / wanted))
    return max(-(-length // count), least, 1)


def tile_work(method: Method, recipe: Recipe, pixels: int, channels: int) -> float:
    """Multiply-adds of one tile: its own steps, and one inference."""
    filling = 2 * recipe.fill.filler.work(pixels, channels) if recipe.fill is not None else 0.0  # and its rehearsal
    if isinstance(method, Fitted) and recipe.is_shared:
        return filling + replace(method, steps=recipe.own_steps).work(pixels, channels)
    return filling + method.work(pixels, channels)


def _reaching(halo: int, wanted: int, recipe: Recipe) -> int:
    """A halo that holds the measured pixels by which gaps are filled, so that two tiles fill the same ones."""
    if halo < wanted and recipe.tiling.halo != "auto":
        raise RequestError(
            f"tiling.halo = {halo} px is smaller than the {wanted} px from which gaps are filled; set tiling.halo >= "
            f"{wanted}, leave it out, or take a smaller fill.within."
        )
    return max(halo, wanted)


def _halo(method: Method, recipe: Recipe, ramp: int) -> int:
    if recipe.tiling.halo != "auto":
        return recipe.tiling.halo
    if ramp == 0:
        return method.reach or 0
    return ramp + min(method.reach or 0, 4) if method.reach is not None else ramp


def _sharded(grid: TileGrid, method: Method, recipe: Recipe) -> TileGrid:
    """Join tiles into shards along x, y, c, z, t in turn, while side, bytes and work allow."""
    _, channels, _, height, width = grid.window_shape
    work = tile_work(method, recipe, height * width, channels)
    tiles = max(1, min(int(SHARD_WORK / work), SHARD_BYTES // (4 * channels * height * width * recipe.factor**2)))
    t, c, z, y, x = grid.tile_counts
    if recipe.tiling.shard == "auto":
        across = [max(1, SHARD_SIDE // side) for side in grid.core[3:]]
    else:
        across = [-(-recipe.tiling.shard // side) for side in grid.core[3:]]
        tiles = max(tiles, across[0] * across[1])
    joined = {}
    for axis, most in ((4, min(x, across[1])), (3, min(y, across[0])), (1, c), (2, z), (0, t)):
        joined[axis] = max(1, min(most, tiles))
        tiles //= joined[axis]
    shard = [core * joined[axis] for axis, core in enumerate(grid.core)]
    return replace(grid, shard=(shard[0], shard[1], shard[2], shard[3], shard[4]))
