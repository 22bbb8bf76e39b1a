"""Plug and play: a data step and a denoising step in turn, the denoiser told less and less noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from il_models.data_steps import noise_level, prox, weights
from il_models.degradations import Blur, Degradation, Downsample, Mask, Subsample
from il_models.draw import Draw
from il_models.nets import Nets
from il_models.plug_and_play import LEAST, DenoiserInTurn, cleaned, looks
from il_models.problem import Problem


@dataclass(frozen=True, kw_only=True)
class PlugAndPlay(DenoiserInTurn):
    """Zhang et al., "Plug-and-play image restoration with deep denoiser prior", IEEE TPAMI 2022, by half-quadratic
    splitting.

    x_k = argmin |y - A x|^2 + alpha_k |x - z_k-1|^2 and z_k = D(x_k; sigma_k), where sigma_k falls from `first` to the
    noise of the measurement and alpha_k = `balance` sigma^2 / sigma_k^2 (eq. 6 to 9). The paper's denoiser has 32
    million weights; with one of half a million the iteration drifts off unless it sees the image turned and shifted
    from step to step.
    """

    name: ClassVar[str] = "pnp"
    summary: ClassVar[str] = "sharpens, enlarges or fills gaps by a learned denoiser and the measurement in turn"
    source: ClassVar[str] = "Zhang et al., IEEE TPAMI 2022, arXiv 2008.13751; Terris et al., CVPR 2024 (turns)"

    serves: ClassVar[tuple[type[Degradation], ...]] = (Blur, Downsample, Subsample, Mask)
    # gaps are closed from their rims inwards: on three of Set12 30 steps gain 0.4 to 1.9 dB over 8, 60 another 0.1
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "gaps": {"iterations": 30},
        "zoom": {"iterations": 24},  # up to 0.9 dB more than 8 at x2, 1.2 at x4: benchmarks/results/enlarging.md
    }

    iterations: int = 8  # paper: 8 for deblurring
    first: float = 49 / 255  # paper: 49 / 255; of the range 0 to 1 of problem units
    balance: float = 0.23  # paper: 0.23

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """z of the last iteration."""
        del inputs, draw
        sigma, weight = noise_level(problem).clamp(min=LEAST), weights(problem)
        start = sigma.clamp(min=self.first)
        z = problem.A.guess(problem.y)
        for step, look in zip(range(self.iterations), looks(), strict=False):
            level = start * (sigma / start) ** (step / max(1, self.iterations - 1))
            x = prox(problem, weight, z, self.balance * (sigma / level) ** 2)
            z = cleaned(nets, x, level, look)
        return z
