"""Total variation with back-projection as the data term: the classical control that keeps edges."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.data_steps import back_projected, noise_level
from il_models.degradations import Blur, Degradation
from il_models.draw import Draw
from il_models.method import Direct
from il_models.metrics import mean
from il_models.problem import Problem

LEAST = 0.001  # of the range 0 to 1 of problem units: noise below this counts as so much
SALT = 0xB9
INNER = 10  # steps of the total variation's own problem, which goes on from where the last one ended


@dataclass(frozen=True, kw_only=True)
class BackProjectionTotalVariation(Direct):
    """Tirer and Giryes, "Back-projection based fidelity term for ill-posed linear inverse problems", IEEE TIP 2020.

    Minimises |A+ (y - A x)|^2 / 2 + lambda TV(x), TV isotropic, by Beck and Teboulle's FISTA ("Fast gradient-based
    algorithms for constrained total variation image denoising and deblurring problems", IEEE TIP 2009): as A+ A is a
    projection the step is 1, and ten steps do what takes the squared misfit a hundred. A+ is damped by `damp` times the
    noise variance, in units of 0 to 255. The papers set lambda by hand; here it is `weight` times the standard
    deviation that the noise has after A+, which a tile measures with noise of its own.
    """

    name: ClassVar[str] = "bp_tv"
    summary: ClassVar[str] = "sharpens by back-projection and total variation: needs the noise level, learns nothing"
    source: ClassVar[str] = "Tirer and Giryes, IEEE TIP 2020, arXiv 1906.06794; Beck and Teboulle, IEEE TIP 2009"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Blur,)
    needs_noise_level: ClassVar[bool] = True

    iterations: int = 10  # twenty change nothing by more than 0.1 dB
    weight: float = 0.8  # of the noise after A+
    damp: float = 4e-3

    @property
    def reach(self) -> None:
        """The whole tile."""
        return

    def work(self, pixels: int, channels: int) -> float:
        """Some dozens of applications of A, and ten steps of total variation, per iteration."""
        return 2e4 * self.iterations * pixels * channels

    def estimate(self, problem: Problem) -> Float[Tensor, "b c h w"]:
        """x of the last iteration."""
        sigma = noise_level(problem).clamp(min=LEAST)
        damp = self.damp * (255 * sigma) ** 2
        strength = self.weight * sigma * _grown(problem, damp)
        x = v = problem.A.guess(problem.y)
        dual, momentum = torch.zeros(2, *x.shape, dtype=x.dtype, device=x.device), 1.0
        for _ in range(self.iterations):
            before = x
            x, dual = _smoothed(back_projected(problem, v, damp), strength, dual)
            momentum, share = _gathered(momentum)
            v = x + share * (x - before)
        return x


def _grown(problem: Problem, damp: Float[Tensor, "b 1 1 1"]) -> Float[Tensor, "b 1 1 1"]:
    """Root mean square of A+ of white noise of variance 1."""
    white = Draw(problem.seeds ^ SALT).normal(*problem.y.shape[1:]).to(problem.y)
    seen = Problem(white, problem.A, problem.noise, problem.mask, problem.seeds)
    made = back_projected(seen, torch.zeros_like(problem.A.guess(problem.y)), damp)
    return mean(made**2, torch.ones_like(made[:, :1], dtype=torch.bool)).sqrt().reshape(-1, 1, 1, 1)


def _smoothed(
    z: Float[Tensor, "b c h w"], strength: Float[Tensor, "b 1 1 1"], dual: Float[Tensor, "2 b c h w"]
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "2 b c h w"]]:
    """argmin |x - z|^2 / 2 + strength TV(x), and the dual variable to go on from; nothing flows over the border."""
    p, momentum = dual, 1.0
    for _ in range(INNER):
        moved = dual + _gradient(z - _gradient_adjoint(dual)) / 8
        length = moved.square().sum(0).sqrt()
        before, p = p, moved * (strength / length.clamp(min=1e-30)).clamp(max=1)
        momentum, share = _gathered(momentum)
        dual = p + share * (p - before)
    return z - _gradient_adjoint(p), p


def _gathered(momentum: float) -> tuple[float, float]:
    """Nesterov's next momentum, and the share of the last move that is made again."""
    after = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
    return after, (momentum - 1) / after


def _gradient(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "2 b c h w"]:
    steps = x.new_zeros(2, *x.shape)
    steps[0, ..., :-1, :] = x[..., 1:, :] - x[..., :-1, :]
    steps[1, ..., :-1] = x[..., 1:] - x[..., :-1]
    return steps


def _gradient_adjoint(steps: Float[Tensor, "2 b c h w"]) -> Float[Tensor, "b c h w"]:
    down, across = steps[0, ..., :-1, :], steps[1, ..., :-1]
    x = torch.zeros_like(steps[0])
    x[..., :-1, :] -= down
    x[..., 1:, :] += down
    x[..., :-1] -= across
    x[..., 1:] += across
    return x
