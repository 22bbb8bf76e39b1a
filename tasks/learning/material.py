"""What a start is learned from: where crops come from, what is held out, and what the card says of both."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch

from il_models.meta.corruption import Corrupted, Spread, corrupted
from il_models.meta.recorruption import Split, recorrupted
from tasks.learning.planes import Plane, crops, turned
from tasks.learning.trials import Judges
from tasks.registry.card import TrainingInput

CROPS = 6  # of a step
SIDE = 64  # px of a crop


@dataclass(frozen=True)
class Material:
    """Everything that a lesson reads.

    draw: what a step learns from, by a generator. trials: on what was held out. inputs: what was learned from.
    held_out, normalisation, licence: in words. sigma: lowest and highest level that is drawn, of a range of 1.
    spread: of what is drawn. left_out: inputs that could not be read, and why.
    """

    draw: Callable[[torch.Generator], Any]
    trials: tuple[Judges, ...]
    inputs: tuple[TrainingInput, ...]
    held_out: str
    normalisation: str
    licence: str
    sigma: tuple[float, float]
    spread: dict[str, float]
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """A noisy plane of range [0, 1] and the standard deviation of its noise, the same everywhere."""

    plane: Plane
    sigma: float


def clean_material(
    planes: list[Plane],
    trials: Sequence[Judges],
    inputs: Sequence[TrainingInput],
    held_out: str,
    licence: str,
    left_out: dict[str, str] | None = None,
) -> Material:
    """Clean planes, on which noise of all kinds is put.

    Args:
        planes: of a range of [0, 1], no side below that of a crop.
        trials, inputs, held_out, licence, left_out: as Material has them.
    """
    spread = Spread()
    return Material(
        partial(_corrupted_crops, planes, spread),
        tuple(trials),
        tuple(inputs),
        held_out,
        "range of the input to [0, 1], after stabilisation of the variance where noise depends on the signal; any "
        "other scale gives the same, for the network is homogeneous",
        licence,
        (spread.lowest, spread.highest),
        asdict(spread),
        left_out or {},
    )


def noisy_material(
    measured: list[Measured],
    trials: Sequence[Judges],
    inputs: Sequence[TrainingInput],
    held_out: str,
    licence: str,
    left_out: dict[str, str] | None = None,
) -> Material:
    """Noisy planes, recorrupted. Arguments as those of clean_material."""
    split, levels = Split(), [each.sigma for each in measured]
    more, less = (1 + split.highest**2) ** 0.5, (1 + split.lowest**2) ** 0.5
    return Material(
        partial(_recorrupted_crops, measured, split),
        tuple(trials),
        tuple(inputs),
        held_out,
        "variance stabilised where noise depends on the signal, then the range of the input to [0, 1]",
        licence,
        (less * min(levels), more * max(levels)),
        asdict(split),
        left_out or {},
    )


def _corrupted_crops(planes: list[Plane], spread: Spread, random: torch.Generator) -> Corrupted:
    return corrupted(crops(planes, CROPS, SIDE, random), spread, random)


def _recorrupted_crops(measured: list[Measured], split: Split, random: torch.Generator) -> Corrupted:
    chance = torch.tensor([each.plane.size**0.5 for each in measured])
    chosen = [measured[i] for i in torch.multinomial(chance, CROPS, replacement=True, generator=random).tolist()]
    seen = [turned(each.plane, SIDE, torch.rand(4, generator=random).tolist()) for each in chosen]
    return recorrupted(torch.stack(seen)[:, None], torch.tensor([each.sigma for each in chosen]), split, random)
