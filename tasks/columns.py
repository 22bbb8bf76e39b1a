"""What the convergence table says of how a tile's fit went, and of its noise."""

import resource
from typing import Any

import numpy as np
import torch

from il_models.fitting import FitRecord, Status
from tasks.adaptation import START
from tasks.plan import correlation_of
from tasks.starts import Start
from tasks.tiles import Tile


def valid_share(tile: Tile) -> float:
    """Share of the pixels that a tile owns that were measured."""
    return float(tile.window.valid[tile.core].mean())


def fit_columns(tile: Tile, record: FitRecord, start: Start | None, learned: str) -> dict[str, Any]:
    """How the fit went: the tile's own, or where it took no steps that of its input's network."""
    told = start.record if start is not None and record.steps == 0 and record.status == Status.DIRECT else record
    return {
        "valid": valid_share(tile),
        "factor": tile.entry.factor,
        "start": start.id if start is not None else learned,
        "rung": start.record.rung if start is not None and told.rung == START else told.rung,
        "status": str(told.status),
        "stop_reason": told.reason,
        "steps": told.steps,
        "best_step": told.best_step,
        "first_loss": told.first_loss,
        "best_loss": told.best_loss,
        "last_loss": told.last_loss,
        "curve_step": [step for step, _ in told.curve],
        "curve_loss": [loss for _, loss in told.curve],
        "seconds": record.seconds,
        "peak_bytes": _peak_bytes(),
    }


def noise_columns(tile: Tile) -> dict[str, float | None]:
    """Of the tile's channels, in data units, at the tile's mean."""
    survey = tile.entry.survey
    noise = survey.noise[tile.window.channels]
    level = [float(channel[tile.window.valid].mean()) for channel in tile.window.raw]
    sigma = [own.variance_at(mean) ** 0.5 for own, mean in zip(noise, level, strict=True)]
    shown = [value for value in survey.shown[tile.window.channels] if value is not None]
    return {
        "noise_sigma": float(np.mean(sigma)),
        "noise_gain": float(np.mean([own.gain for own in noise])),
        "noise_correlation": float(max(correlation_of(noise), key=abs)),
        "noise_shown": min(shown, default=None),
    }


def _peak_bytes() -> int:
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
