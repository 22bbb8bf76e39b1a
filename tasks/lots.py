"""Shards -> lots -> handfuls: what a worker restores together, and what a Prefect task run holds. Never measured."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, groupby

from il_models.method import Method
from tasks.grids import SHARD_BYTES, SHARD_WORK, tile_work
from tasks.plan import InputPlan, Lot, Part
from tasks.recipe import Recipe

SMALL_INPUTS = 40  # in a lot
SPREAD = 8  # lots that even a small collection makes, so that several workers have something to do
GROUPS = 120  # published by a task run each
HANDFULS = (
    240  # with the groups' last, smaller ones and their publishing 480: below the 500 that Prefect's server keeps
)


def lots_for(entries: list[InputPlan], method: Method, recipe: Recipe, batch: int, first: int = 0) -> list[Lot]:
    """Lots of some inputs: one per shard of a large input, up to forty small inputs together.

    Args:
        entries: inputs in the order of the plan.
        batch: tiles fitted at once.
        first: number of the first lot, where lots are added to a plan that has some.
    """
    parts: list[list[tuple[Part, int]]] = []
    for small, run in groupby(entries, key=lambda entry: entry.grid.shards == 1):
        if small:
            parts += _together(list(run), method, recipe)
        else:
            parts += [[(Part(e.name, s, s + 1), len(e.grid.tiles_of(s)))] for e in run for s in range(e.grid.shards)]
    return [
        Lot(f"{first + number:07d}", tuple(part for part, _ in lot), sum(tiles for _, tiles in lot), batch)
        for number, lot in enumerate(parts)
    ]


WINDOW = 16  # handfuls under way, at least
AHEAD = 3  # lots under way per worker: two in it, and one for the moment in which one of them is done


@dataclass(frozen=True)
class Group:
    """Inputs that are published by one task run, and the lots that it waits for, in handfuls of one task run each."""

    name: str
    inputs: tuple[str, ...]
    handfuls: tuple[tuple[Lot, ...], ...]


def groups_of(lots: list[Lot]) -> list[Group]:
    """All lots in at most GROUPS groups and about HANDFULS handfuls, in their order."""
    bundles = [list(run) for _, run in groupby(lots, key=_bundle)]
    per_group, per_handful = -(-len(bundles) // GROUPS), max(1, -(-len(lots) // HANDFULS))
    together = [bundles[i : i + per_group] for i in range(0, len(bundles), per_group or 1)]
    return [_group(list(chain.from_iterable(some)), per_handful) for some in together]


def window_for(groups: list[Group], workers: int) -> int:
    """Handfuls to be under way at once: few, so that Prefect has little to do, but enough that no worker waits."""
    handfuls = [len(handful) for group in groups for handful in group.handfuls]
    lots = sum(handfuls) / max(1, len(handfuls))
    return max(WINDOW, math.ceil(AHEAD * workers / max(1.0, lots)))


def inputs_of(lots: Iterable[Lot]) -> tuple[str, ...]:
    """The inputs that some lots belong to, each once, in order."""
    return tuple(dict.fromkeys(part.input for lot in lots for part in lot.parts))


def _together(entries: list[InputPlan], method: Method, recipe: Recipe) -> list[list[tuple[Part, int]]]:
    """Small inputs in lots, while number, bytes and work allow."""
    lots: list[list[tuple[Part, int]]] = []
    most = min(SMALL_INPUTS, -(-len(entries) // SPREAD))
    work = pixels = 0.0
    for entry in entries:
        own_work, own_pixels = _cost(entry, method, recipe)
        work, pixels = work + own_work, pixels + own_pixels
        if not lots or len(lots[-1]) == most or work > SHARD_WORK or 4 * pixels > SHARD_BYTES:
            lots.append([])
            work, pixels = own_work, own_pixels
        lots[-1].append((Part(entry.name, 0, 1), entry.grid.tiles))
    return lots


def _cost(entry: InputPlan, method: Method, recipe: Recipe) -> tuple[float, float]:
    """Work and pixels of a small input; its own start is in it, with all of the ladder that it may come to."""
    _, channels, _, height, width = entry.grid.window_shape
    tiles = entry.grid.tiles
    rungs = () if recipe.scope == "collection" else recipe.input_methods()
    start = sum(rung.work(height * width, channels) for rung in rungs)
    pixels = float(tiles * channels * height * width * recipe.factor**2)
    return tiles * tile_work(method, recipe, height * width, channels) + start, pixels


def _bundle(lot: Lot) -> str:
    """Lots that must be published together: those of one input, or a lot of several inputs alone."""
    return lot.parts[0].input if len(lot.parts) == 1 else lot.id


def _group(lots: list[Lot], size: int) -> Group:
    names = inputs_of(lots)
    name = names[0] if len(names) == 1 else f"{names[0]} … {names[-1]} ({len(names)} inputs)"
    return Group(name, names, tuple(tuple(lots[i : i + size]) for i in range(0, len(lots), size)))
