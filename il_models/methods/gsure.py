"""Deep Image Prior by projected risk: the network sees A^T y and minimises an estimate of its error as A sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from il_models.average import Average
from il_models.data_steps import damping, projected_misfit, whitened
from il_models.degradations import Blur, Degradation, Downsample, Subsample
from il_models.draw import Draw
from il_models.fitting.zero_crossing import ZeroCrossing
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.hourglass import Hourglass, multiplications, scales_of
from il_models.priors import CODE, HourglassPrior, averaging, image_sides, in_range, measured_range
from il_models.problem import Problem


@dataclass(frozen=True, kw_only=True)
class ProjectedGsure(HourglassPrior):
    """Abu-Hussein, Tirer, Chun, Eldar and Giryes, "Image restoration by deep projected GSURE", WACV 2022.

    u = A^T y; minimises |A+ (A f(u) - y)|^2 + 2 sigma^2 div P f(u) - sigma^2 tr(A+ A+^T) per measured pixel, P = A+ A,
    which estimates the squared error of the part of f(u) that A lets through without bias (Eldar, IEEE TSP 2009). A+ is
    damped as in `bp_dip`: |A+ r|^2 is r W r with W = (A A^T + d)^-1, and by Stein's lemma the divergence that goes with
    it is that of W A f with respect to y, so that the estimate is without bias at any damping. It is taken along one
    fresh random sign per pixel. (In the authors' programme the projector is 0, which leaves `bp_dip`.)

    A network fitted to one tile learns to please its probes and over-fits all the same; `stopper` ends that (the paper
    takes the step of least loss). `fast` has an eighteenth of the weights.
    """

    name: ClassVar[str] = "gsure"
    summary: ClassVar[str] = "a network of A^T y, fitted to its own estimated error as A sees it; needs sigma"
    source: ClassVar[str] = "Abu-Hussein et al., WACV 2022, arXiv 2102.02485; Eldar, IEEE TSP 2009"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Blur, Downsample, Subsample)
    assumes_white_noise: ClassVar[bool] = True
    needs_noise_level: ClassVar[bool] = True
    reads_measurement: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"fast": {"widths": (32, 32, 32, 32), "steps": 1500}}

    steps: int = 10000
    rate: float = 0.01
    code: int = 0  # channels of a random code beside A^T y; paper: none
    jitter: float = 0.0
    damp: float = 0.01
    floor: float = 1e-3
    epsilon: float = 0.05  # step of the difference, in sigmas (paper: 1e-6, which is below the digits of float32)
    withheld: float = 0.02  # paper: 0; share of the pixels kept from the fit: it has learned to please its probes

    @property
    def average(self) -> Average:
        """Exponential, 0.95 per step (paper: none)."""
        return averaging(every=5, keep=0.95)

    @property
    def stopper(self) -> ZeroCrossing:
        """Where the loss, which estimates an error, falls below 0."""
        return ZeroCrossing()

    def work(self, pixels: int, channels: int) -> float:
        """Two passes forward and backward on the whole tile per step."""
        inputs = channels + self.code
        return 6.0 * multiplications(inputs, channels, self.widths, self.skip) * pixels * max(1, self.steps)

    def network(self, problem: Problem) -> nn.Module:
        """The hourglass with as many scales as the tile bears, from the measured channels."""
        scales = scales_of(image_sides(problem), len(self.widths))
        return Hourglass(problem.channels + self.code, problem.channels, self.widths[:scales], self.skip)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """A^T y, and the code if there is one, shape (b, 1, c + code, h, w), and the range of the output."""
        code = CODE * draw.uniform(self.code, *image_sides(problem)).to(problem.y)
        return {"code": torch.cat([problem.A.adjoint(problem.y), code], 1)[:, None], **measured_range(problem)}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """The estimate of the projected error, with one probe."""
        del step
        damp = damping(problem, self.damp, self.floor)
        shaken = {**inputs, "code": self.jittered(inputs["code"], draw)}
        x = self.estimate(nets, shaken, problem, draw)
        sigma = problem.noise.sigma(problem.A(x).detach())
        probe = draw.signs(*problem.y.shape[1:]).to(problem.y) * sigma * problem.mask
        even = whitened(problem, probe, damp)
        slope = even * problem.A(self._moved(nets, shaken, problem, probe) - x) / self.epsilon
        return projected_misfit(problem, x, damp) + mean(2 * slope - probe * even, problem.mask)

    def _moved(
        self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, probe: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c v u"]:
        """The image where `epsilon` times the probe was measured besides."""
        by = problem.A.adjoint(self.epsilon * probe)[:, None]
        by = torch.cat([by, by.new_zeros(*by.shape[:2], self.code, *by.shape[3:])], 2)
        return in_range(nets(inputs["code"] + by)[:, 0], inputs)
