"""Wiener's filter for any degradation: the classical control of deblurring."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from il_models.data_steps import noise_level, passed, weights
from il_models.degradations import Blur, Degradation
from il_models.degradations.solving import conjugate_gradients
from il_models.method import Direct
from il_models.problem import Problem

LEAST = 1e-3  # of the range 0 to 1 of problem units: no scene is smoother
DOUBT = 0.05  # of the noise's steps: weaker ones of the scene cannot be told from none
ITERATIONS = 200


@dataclass(frozen=True, kw_only=True)
class Wiener(Direct):
    """Wiener, "Extrapolation, Interpolation, and Smoothing of Stationary Time Series", 1949; Hunt, IEEE TC 1973.

    The most probable image under Gaussian noise, if the steps between its neighbours are Gaussian too: it minimises
    |A x - y|^2 / sigma^2 + |grad x|^2 / g^2. Tile and channel tell g themselves: by the steps of the measurement, less
    those of the noise, over what A leaves of white noise, as the steps of scenes are about as white.
    """

    name: ClassVar[str] = "wiener"
    summary: ClassVar[str] = "Wiener's filter for a known degradation, the classical control: needs the noise level"
    source: ClassVar[str] = "Wiener, 1949; Hunt, IEEE Transactions on Computers 1973"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Blur,)
    needs_noise_level: ClassVar[bool] = True

    @property
    def reach(self) -> None:
        """The whole tile."""
        return

    def work(self, pixels: int, channels: int) -> float:
        """Some hundred applications of A."""
        return 1e4 * pixels * channels

    def estimate(self, problem: Problem) -> Float[Tensor, "b c h w"]:
        """The minimum, by conjugate gradients."""
        A, weight = problem.A, weights(problem)
        sigma = noise_level(problem)
        left = passed(problem)[..., None, None].sqrt().clamp(min=LEAST)
        smooth = (sigma * left / _steps(problem, sigma)) ** 2
        return conjugate_gradients(
            lambda x: A.adjoint(weight * A(x)) + smooth * _bent(x),
            A.adjoint(weight * problem.y),
            A.guess(problem.y),
            ITERATIONS,
        )


def _steps(problem: Problem, sigma: Float[Tensor, "b 1 1 1"]) -> Float[Tensor, "b c 1 1"]:
    """Root mean square step between measured neighbours of the scene as it was measured, without those of the noise."""
    squares, counts = problem.y.new_zeros(problem.b, problem.channels), problem.y.new_zeros(problem.b, 1)
    for axis in (-2, -1):
        length = problem.y.shape[axis] - 1
        both = problem.mask.narrow(axis, 0, length) & problem.mask.narrow(axis, 1, length)
        step = problem.y.narrow(axis, 1, length) - problem.y.narrow(axis, 0, length)
        squares = squares + torch.where(both, step**2, torch.zeros_like(step)).flatten(2).sum(2)
        counts = counts + both.flatten(2).sum(2)
    noise = 2 * sigma**2
    power = (squares / counts.clamp(min=1))[..., None, None] - noise
    return torch.maximum(power, DOUBT * noise).sqrt().clamp(min=LEAST)


def _bent(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """grad^T grad x, nothing flowing over the border."""
    wide = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    around = wide[..., 2:, 1:-1] + wide[..., :-2, 1:-1] + wide[..., 1:-1, 2:] + wide[..., 1:-1, :-2]
    return 4 * x - around
