"""Meta-tasks: one piece of an input to adapt on, and another piece of it by which the adapted weights are judged."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from il_models.degradations import Identity
from il_models.draw import Draw, mix
from il_models.meta.corruption import Corrupted
from il_models.meta.joint import SOFT
from il_models.method import Fitted
from il_models.metrics import mse
from il_models.nets import Nets
from il_models.noise import Noise
from il_models.problem import Problem


@dataclass(frozen=True)
class Tasks:
    """b meta-tasks.

    support: what weights are adapted on, by the method's own loss. query: of the same inputs, with the same
    degradation, no pixel in common and none within reach; where images are enlarged the same measurement, for the image
    has pixels that no support shows. clean: the image of the query where it is known; without it the adapted weights
    are judged by the method's own loss, and a collection of measurements is enough.
    """

    support: Problem
    query: Problem
    clean: Float[Tensor, "b c *s"] | None = None


def halved(problem: Problem, method: Fitted, clean: Float[Tensor, "b c *s"] | None = None) -> Tasks:
    """Each tile cut in two along its longer axis, with a strip between the halves that neither uses.

    The strip is twice the method's reach, so that no output of one half sees a pixel that one of the other sees, and
    the halves begin and end at multiples of the method's. Of a method that sees the whole tile nothing can be asked but
    that the halves have no pixel in common.

    Args:
        problem: b tiles, of one image (Soh et al., "Meta-transfer learning for zero-shot super-resolution", CVPR 2020,
            adapt on other images than they judge on; Cha et al., Mathematics 11, 1653, 2023, on the image's own).
        clean: the images of the tiles, in the units of problem.y.

    Raises:
        ValueError: the tiles are too small to be cut.
    """
    axis = -1 if problem.y.shape[-1] >= problem.y.shape[-2] else -2
    length, multiple = problem.y.shape[axis], method.multiple
    strip = 2 * (method.reach or 0)
    side = (length - strip) // (2 * multiple) * multiple
    if side < multiple:
        raise ValueError(
            f"Tiles of {tuple(problem.y.shape[-2:])} pixels cannot be cut into two pieces whose sides are multiples of "
            f"{multiple} and that are {strip} pixels apart, as {method.name} needs; use tiles of at least "
            f"{strip + 2 * multiple} pixels."
        )
    first = _piece(problem, axis, 0, side, problem.seeds)
    other = _piece(problem, axis, length - side, side, mix(problem.seeds))
    return Tasks(first, other, None if clean is None else clean.narrow(axis, length - side, side))


def _piece(problem: Problem, axis: int, first: int, side: int, seeds: Int64[Tensor, " b"]) -> Problem:
    return replace(
        problem, y=problem.y.narrow(axis, first, side), mask=problem.mask.narrow(axis, first, side), seeds=seeds
    )


def measured(seen: Corrupted, seeds: Int64[Tensor, " b"]) -> Problem:
    """The problem of measurements that were made of clean crops; each is a tile, its noise what is told of it."""
    variance = seen.sigma[:, None] ** 2
    noise = Noise(torch.zeros_like(variance), variance, seen.correlation)
    return Problem(seen.y, Identity(), noise, torch.ones_like(seen.y[:, :1], dtype=torch.bool), seeds)


def judged(method: Fitted, nets: Nets, tasks: Tasks) -> Float[Tensor, " b"]:
    """The outer loss of each task: the squared error on its query where that is known, otherwise the method's own loss.

    Over the noise variance, so that noisy tiles do not rule the others; noise below 0.05 counts as much as that.
    """
    query, draw = tasks.query, Draw(tasks.query.seeds)
    inputs = method.prepare(query, draw)
    level = query.noise.nominal(query.y).square().flatten(1).mean(1) + SOFT**2
    if tasks.clean is None:
        return method.loss(nets, inputs, query, draw, 0) / level
    finer = query.mask.shape[-2:] != tasks.clean.shape[-2:]
    known = torch.ones_like(tasks.clean[:, :1], dtype=torch.bool) if finer else query.mask
    return mse(method.estimate(nets, inputs, query, draw), tasks.clean, known) / level
