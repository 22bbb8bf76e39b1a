"""Held-out images made smaller, by which a start of the network that enlarges is followed, and judged at its end."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from il_models.degradations import Downsample, Subsample
from il_models.fitting import fit
from il_models.meta.enlarging import ROUNDING, Shrinking, gaussians
from il_models.meta.starting_point import StartingPoint
from il_models.methods.zssr import ZeroShotSuperResolution
from il_models.noise import Noise
from il_models.problem import Problem
from tasks.learning.planes import Plane
from tasks.learning.trials import LEAST_ERROR
from tasks.problems import seed_of

SIDE = 128  # px of a trial's image, from the middle of a plane
EDGE = 2  # px at its border that are not judged, times the factor
Enlarged = Callable[[Problem], Tensor]
SCRATCH = ZeroShotSuperResolution(**ZeroShotSuperResolution.presets["fast"])
ADAPTED = ZeroShotSuperResolution(**ZeroShotSuperResolution.presets["mzsr"])


@dataclass(frozen=True)
class ZoomTrial:
    """A held-out image that was made smaller. level: variance of the kernel in px^2, 0 for the bicubic one."""

    image: str
    level: float
    problem: Problem
    clean: Float[Tensor, "1 1 v u"]

    @property
    def plain(self) -> Float[Tensor, "1 1 v u"]:
        """By interpolation."""
        return self.problem.A.guess(self.problem.y)

    def by(self, enlarged: Enlarged) -> Tensor:
        """What a method makes of it."""
        return enlarged(self.problem)

    def error(self, x: Tensor) -> float:
        """Mean squared error within the border."""
        edge = EDGE * self.problem.A.image_size((1, 1))[0]
        return max(float(((x - self.clean) ** 2)[..., edge:-edge, edge:-edge].mean()), LEAST_ERROR)


def zoom_trials(image: str, plane: Plane, shrinking: Shrinking) -> list[ZoomTrial]:
    """The middle of a clean plane, range [0, 1], through a kernel in the middle of the spread, rounded to 8 bits."""
    factor, level = shrinking.factor, (shrinking.narrowest + shrinking.widest) / 3
    height, width = (min(side, SIDE) // (2 * factor) * (2 * factor) for side in plane.shape)
    top, left = (plane.shape[0] - height) // 2, (plane.shape[1] - width) // 2
    clean = torch.from_numpy(np.ascontiguousarray(plane[top : top + height, left : left + width], np.float32))
    clean = clean[None, None]
    one = torch.ones(1)
    A = Subsample(gaussians(level * one, level * one, 0 * one, factor), factor) if level else Downsample(factor)
    y = (A(clean) / ROUNDING).round() * ROUNDING
    noise = Noise(torch.zeros(1, 1), torch.full((1, 1), ROUNDING**2 / 12), torch.zeros(1, 2))
    seeds = torch.tensor([seed_of(0, "packaged", image, "zoom trial")])
    return [ZoomTrial(image, level, Problem(y, A, noise, torch.ones_like(y, dtype=torch.bool), seeds), clean)]


def by_start(start: StartingPoint) -> Enlarged:
    """Adapted from a start, in its own steps and ADAPTED's after plain training."""

    def enlarged(problem: Problem) -> Tensor:
        method = start.adaptation(ADAPTED, ADAPTED.steps if start.sizes else 0)
        return fit(problem, method, start=start.nets(ADAPTED, problem)).x

    return enlarged


def by_scratch(problem: Problem) -> Tensor:
    """From random weights: the referee of what was meta-learned."""
    return fit(problem, SCRATCH).x


def by_interpolation(problem: Problem) -> Tensor:
    """The referee of what was learned plainly."""
    return problem.A.guess(problem.y)
