"""One network for a whole collection: a learned start that is adapted once, by some inputs, and judged by others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from il_models.method import Method
from il_models.noise import Noise
from il_models.planes import LEAST
from il_models.problem import Problem
from tasks.errors import InputError
from tasks.measured import measured_pixels, read_box
from tasks.plan import InputPlan
from tasks.problems import Window, make_problem, seed_of
from tasks.starts import COLLECTION, Start, channel_groups, fitted_start, start_from
from tasks.tiling import Box
from tasks.treatment import Treatment

if TYPE_CHECKING:
    import xarray as xr

INPUTS = 16  # every second one is learned from, the others judge
SIDE, EVEN = 128, 8  # px of a window, and of what its sides are multiples
LESSONS, TRIALS = 32, 16  # windows in all, at least one of each input
DRAWN = 4  # windows per one that is taken: those with the most in them
LEAST_MEASURED = 0.5  # of a window

Opened = tuple[InputPlan, "xr.DataArray"]


def sampled_inputs(entries: Iterable[InputPlan], run_seed: int, collection: str) -> tuple[InputPlan, ...]:
    """The inputs that speak for a collection: by the run's seed and their names, not by what they hold."""
    order = sorted(entries, key=lambda entry: seed_of(run_seed, collection, entry.name, COLLECTION))
    return tuple(order[:INPUTS])


def collection_windows(
    opened: Sequence[Opened], run_seed: int, collection: str
) -> tuple[tuple[Window, ...], tuple[Window, ...]]:
    """Windows of one size to learn from, and others to judge by: of other inputs, if there are two.

    Inputs whose channels are restored in groups of another size than those of the first are left out.

    Raises:
        InputError: of none of them so much was measured that anything can be learned, or none is left.
    """
    if not opened:
        raise InputError(f"None of the inputs that were to speak for '{collection}' can be opened any more.")
    alike = [each for each in opened if each[0].grid.core[1] == opened[0][0].grid.core[1]]
    side = min([SIDE, *(min(entry.grid.shape[3:]) for entry, _ in alike)]) // EVEN * EVEN
    learners, judges = (alike[::2], alike[1::2]) if len(alike) > 1 else (alike, alike)
    found = []
    for purpose, some, count in (("lesson", learners, LESSONS), ("trial", judges, TRIALS)):
        each = -(-count // sum(len(channel_groups(entry)) for entry, _ in some))
        drawn = [_windows(one, each, side, seed_of(run_seed, collection, one[0].name, purpose)) for one in some]
        found.append(tuple(window for windows in drawn for window in windows))
    if not side or not all(found):
        raise InputError(
            f"None of {len(opened)} inputs of '{collection}' has windows of which half was measured, so that nothing "
            "can be learned of the collection; choose scope: input."
        )
    return found[0], found[1]


def collection_start(lessons: Sequence[Window], trials: Sequence[Window], treatment: Treatment) -> Start:
    """Adapt a learned start to a collection: the ladder of one input, climbed with what stands for all of them.

    Args:
        lessons, trials: windows of one size, to learn from and to judge by.
        treatment: one that has input_methods and a start.
    """
    method = treatment.input_methods[0]
    problem, witness = (joined(_problem(windows, method, treatment)) for windows in (lessons, trials))
    return start_from([fitted_start(problem, treatment, witness)], treatment, COLLECTION)


def joined(problem: Problem) -> Problem:
    """b tiles one above the other as one, each as bright as it takes for all to have the same noise.

    The shared denoiser is homogeneous: an image c times as bright with c times the noise is the same to it. Signal
    dependent noise counts as that of the tile's mean, and its colour as the mean of all.
    """
    sigma = problem.noise.nominal(problem.y.flatten(2).mean(2)).clamp(min=LEAST)
    common = sigma.median(0).values
    y = problem.y * (common / sigma)[..., None, None]
    noise = Noise(torch.zeros_like(common)[None], common[None] ** 2, problem.noise.correlation.mean(0, keepdim=True))
    return replace(
        problem,
        y=y.movedim(0, 1).flatten(1, 2)[None],
        mask=problem.mask.movedim(0, 1).flatten(1, 2)[None],
        noise=noise,
        seeds=problem.seeds[:1],
    )


def _problem(windows: Sequence[Window], method: Method, treatment: Treatment) -> Problem:
    return make_problem(list(windows), method, treatment.device)[0]


def _windows(opened: Opened, count: int, side: int, seed: int) -> Iterator[Window]:
    """So many windows of each group of channels, of those with the most in them."""
    (entry, array), random = opened, np.random.default_rng(seed)
    for channels in channel_groups(entry):
        drawn = [_window(entry, array, _box(entry, channels, side, random), seed) for _ in range(DRAWN * count)]
        told = [window for window in drawn if window.valid.mean() >= LEAST_MEASURED]
        yield from sorted(told, key=lambda window: -float(window.raw[:, window.valid].std()))[:count]


def _window(entry: InputPlan, array: "xr.DataArray", box: Box, seed: int) -> Window:
    values = read_box(array, box)
    valid = measured_pixels(array, box, values)[0, 0, 0]
    return Window(entry, slice(box.start[1], box.stop[1]), values[0, :, 0].astype(np.float32), valid, seed)


def _box(entry: InputPlan, channels: slice, side: int, random: np.random.Generator) -> Box:
    t, _, z, height, width = entry.grid.shape
    i, j, top, left = (int(random.integers(n)) for n in (t, z, height - side + 1, width - side + 1))
    return Box((i, channels.start, j, top, left), (i + 1, channels.stop, j + 1, top + side, left + side))
