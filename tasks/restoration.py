"""Tiles -> restored tiles with their rows of the convergence table: batches, fits, control, quality. Reads no files."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from il_models.fitting import Fit, FitRecord, fit
from il_models.mixing import mixture
from il_models.nets import Nets
from il_models.problem import Problem
from il_models.risk import Estimate
from tasks.beginning import begun_from
from tasks.columns import fit_columns, noise_columns, valid_share
from tasks.filling import Filled, fill_gaps
from tasks.foretelling import Foretold, foretold
from tasks.measured import Pixels
from tasks.mixing import FAILED, share_of
from tasks.problems import Intensity, make_problem
from tasks.quality import control_of, estimate_of, estimated_psnr, judge, spread_over_noise
from tasks.refereed import fit_started
from tasks.sharpened import sharpened_columns
from tasks.starts import Start
from tasks.tiles import Tile
from tasks.treatment import Treatment
from tasks.truth import on_scale_of, peak_of, psnr_where, true_psnr


@dataclass(frozen=True)
class Restored:
    """A restored tile.

    pixels: (c, h, w) of its window on the grid of the image, in data units; NaN where the source is to be copied.
    """

    tile: Tile
    pixels: Pixels
    row: dict[str, Any]  # columns of the convergence table that depend on pixels


@dataclass(frozen=True)
class _Batch:
    """Tiles of one shape under way: result and control, in problem units and with the way back.

    share: of the method in the result, one per tile; the rest is the control's. fillings: of each tile's gaps.
    std: the method's own, if it has one. foretold: one scale lower, where there is a guide.
    """

    tiles: list[Tile]
    problem: Problem
    intensity: Intensity
    records: list[FitRecord]
    result: Estimate
    control: Estimate | None
    share: Tensor
    fillings: list[Filled | None]
    std: Tensor | None = None
    foretold: Foretold | None = None


def restore_tiles(
    tiles: list[Tile], starts: dict[str, Start], treatment: Treatment, references: dict[int, Pixels]
) -> list[Restored]:
    """Restore tiles in batches of one shape. Tiles that hold nothing are copied through.

    Args:
        tiles: of one lot.
        starts: by input, where tiles go on from their input's own network.
        treatment: what to do.
        references: clean windows (c, h, w) by the place of the tile in `tiles`, for the true PSNR.

    Returns:
        One per tile, in the order of `tiles`.
    """
    found = {place: _copied(tile) for place, tile in enumerate(tiles) if tile.is_empty}
    for places, batch in _batches(tiles, starts, treatment):
        clean = [references.get(place) for place in places]
        found |= zip(places, _restored(_mixed(batch, treatment), starts, treatment, clean), strict=True)
    return [found[place] for place in range(len(tiles))]


def restore_both(
    tiles: list[Tile], starts: dict[str, Start], treatment: Treatment
) -> list[tuple[Restored, Restored | None]]:
    """Each tile by the method alone, and as `restore_tiles` gives it; from one fit, and only once where that is equal.

    Args and order as there.
    """
    found: dict[int, tuple[Restored, Restored | None]]
    found = {place: (_copied(tile), None) for place, tile in enumerate(tiles) if tile.is_empty}
    has_two = bool(treatment.controls) and treatment.share != 1
    for places, batch in _batches(tiles, starts, treatment):
        clean: list[Pixels | None] = [None] * len(places)
        alone = _restored(batch, starts, treatment, clean)
        mixed: list[Restored | None] = [None] * len(places)
        if has_two:
            mixed = [*_restored(_mixed(batch, treatment), starts, treatment, clean)]
        found |= zip(places, zip(alone, mixed, strict=True), strict=True)
    return [found[place] for place in range(len(tiles))]


def given_up(tile: Tile, reason: str) -> Restored:
    """A tile that cannot be restored: its measurement, and why."""
    return _as_measured(tile, "killed", reason)


def _batches(tiles: list[Tile], starts: dict[str, Start], treatment: Treatment) -> Iterator[tuple[list[int], _Batch]]:
    """The tiles that hold something, fitted in batches of one shape; each with the places of its tiles."""
    full = [place for place, tile in enumerate(tiles) if not tile.is_empty]
    for _, alike in groupby(full, key=lambda place: tiles[place].window.raw.shape):
        places = list(alike)
        for first in range(0, len(places), treatment.batch):
            some = places[first : first + treatment.batch]
            yield some, _fitted([tiles[place] for place in some], starts, treatment)


def _fitted(tiles: list[Tile], starts: dict[str, Start], treatment: Treatment) -> _Batch:
    """The method's own estimate and the control's, not yet mixed."""
    windows = [tile.window for tile in tiles]
    problem, intensity = make_problem(windows, treatment.method, treatment.device, treatment.instrument)
    begin = begun_from(tiles, starts, treatment, problem)
    done = _fit(problem, treatment, begin)
    own, share = estimate_of(problem, done, treatment.method), torch.ones(len(tiles), device=treatment.device)
    control = control_of(problem, treatment.controls, done.unseen) if treatment.controls else None
    fillings = fill_gaps(tiles, treatment.filling, treatment.device)
    told = foretold(problem, treatment.method, done.nets, treatment.controls)
    return _Batch(tiles, problem, intensity, done.records, own, control, share, fillings, done.std, told)


def _mixed(batch: _Batch, treatment: Treatment) -> _Batch:
    """The method's estimate with the control's share in it."""
    own, control = batch.result, batch.control
    if control is None:
        return batch
    started = treatment.start is not None
    wanted = batch.foretold.share() if batch.foretold and treatment.share == "auto" else treatment.share
    share = share_of(batch.problem, own, control, batch.records, wanted, started)
    return replace(batch, result=mixture(own, control, share), share=share)


def _fit(problem: Problem, treatment: Treatment, begin: Nets | None) -> Fit:
    if treatment.start is not None and begin is not None:
        return fit_started(problem, treatment.method, treatment.stopper, begin, treatment.start)
    return fit(problem, treatment.method, stopper=treatment.stopper, start=begin)


def _restored(
    batch: _Batch, starts: dict[str, Start], treatment: Treatment, clean: list[Pixels | None]
) -> list[Restored]:
    owned = _owned(batch)
    judged = judge(batch.problem, batch.result, batch.control, owned)
    peaks, vague = map(list, zip(*((peak_of(tile), tile.entry.is_vague) for tile in batch.tiles), strict=True))
    promised = estimated_psnr(batch.problem, batch.result, owned, batch.intensity, peaks, vague, batch.control)
    undone = sharpened_columns(batch.problem, batch.intensity, batch.result, owned)
    below = None if batch.foretold is None else batch.foretold.rows(batch.share)
    spreads = None if batch.std is None else spread_over_noise(batch.problem, batch.std, owned)
    estimates = _in_data_units(batch, batch.result)
    controls = _in_data_units(batch, batch.control) if batch.control else [None] * len(batch.tiles)
    found = []
    for i, (tile, record) in enumerate(zip(batch.tiles, batch.records, strict=True)):
        failed = record.status in FAILED and float(batch.share[i]) > 0  # otherwise the control's result is there
        pixels = tile.measured if failed else estimates[i]
        row = {
            **fit_columns(tile, record, starts.get(tile.entry.name), treatment.start_name),
            **judged[i],
            "risk_psnr": promised[i],
            **undone[i],
            **noise_columns(tile),
            **({} if below is None else below[i]),
        }
        if record.status in FAILED and not failed:
            row["stop_reason"] = f"{record.reason.partition(';')[0]}; the control was kept"
        row["spread"] = None if spreads is None else spreads[i]
        row["share"] = None if failed or batch.control is None else float(batch.share[i])
        twin = clean[i]
        if twin is not None:
            twin = on_scale_of(treatment.anchor(tile.measured, pixels), twin, tile.valid) if treatment.affine else twin
            row |= true_psnr(tile, pixels, controls[i], twin)
        found.append(_with_gaps(Restored(tile, _unmeasured_as_nan(tile, pixels), row), batch.fillings[i], twin))
    return found


def _with_gaps(restored: Restored, filled: Filled | None, clean: Pixels | None) -> Restored:
    """The tile with its gaps filled, but for what a channel measured where another one has a gap: that stays NaN."""
    if filled is None:
        return restored
    known = np.isfinite(filled.pixels)
    told = {} if clean is None else {"psnr_filled": psnr_where(restored.tile, filled.pixels, clean, known[0])}
    pixels = np.where(known & ~restored.tile.seen, filled.pixels, restored.pixels)
    return replace(restored, pixels=pixels, row={**restored.row, **filled.row, **told})


def _in_data_units(batch: _Batch, estimate: Estimate) -> list[Pixels]:
    tile = batch.tiles[0]
    height, width = (side * tile.entry.factor for side in tile.window.raw.shape[1:])
    down, across = batch.problem.A.border
    pixels = batch.intensity.backward(estimate.restored)[..., down : down + height, across : across + width]
    return list(pixels.cpu().numpy())


def _owned(batch: _Batch) -> Tensor:
    owned = torch.zeros_like(batch.problem.mask)
    for i, tile in enumerate(batch.tiles):
        owned[i, 0, *tile.core] = True
    return owned


def _copied(tile: Tile) -> Restored:
    return _as_measured(tile, "skipped", "nothing to restore")


def _as_measured(tile: Tile, status: str, reason: str) -> Restored:
    row = {"status": status, "stop_reason": reason, "steps": 0, "best_step": 0, "valid": valid_share(tile)}
    return Restored(tile, _unmeasured_as_nan(tile, tile.measured), row | {"start": "none", "seconds": 0.0})


def _unmeasured_as_nan(tile: Tile, pixels: Pixels) -> Pixels:
    return np.where(tile.valid, pixels, np.float32(np.nan))
