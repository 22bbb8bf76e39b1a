"""Deep Image Prior as one step of plug and play: measurement, total variation and network in turn."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from il_models.data_steps import prox
from il_models.degradations import Blur, Degradation, Downsample, Mask, Subsample
from il_models.draw import Draw
from il_models.priors import SMALL
from il_models.problem import Problem
from il_models.untrained import Split

ENDS = tuple(accumulate((500,) * 10 + (700,) * 20 + (1200,) * 30))  # of the authors' 60 outer iterations, in steps
CHAMBOLLE = 5  # steps of the total variation's own problem, as the authors take


@dataclass(frozen=True, kw_only=True)
class PlugAndPlayDeepImagePrior(Split):
    """Meng, Yu, Xu and Yuan, "Self-supervised neural networks for spectral snapshot compressive imaging", ICCV 2021.

    Sixty times in a fit, farther apart towards its end: x = argmin |y - A x|^2 + mu |x - (T + u)|^2 +
    eta |x - (z + v)|^2 and z = the total variation's image of x - v, with the duals u and v; between them the network's
    image T is fitted to x - u and, by rho / mu, to the measurement. eta, mu and the total variation's weight fall as in
    the authors' programme; eta = 0 leaves the total variation out.

    Made for spectral snapshots; here it takes any A. The authors begin with new weights in every outer iteration, of
    their own U-Net; here one hourglass goes on. `fast` has one of 120,000 weights and 50 steps for each, so that the
    residual reaches the noise, which ends it, while total variation still holds; a tenth of `eta` it keeps.
    """

    name: ClassVar[str] = "pnp_dip"
    summary: ClassVar[str] = "measurement, total variation and an untrained hourglass in turn: sharpens, fills gaps"
    source: ClassVar[str] = "Meng, Yu, Xu and Yuan, ICCV 2021, arXiv 2108.12654"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Blur, Downsample, Subsample, Mask)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {**SMALL, "steps": 3000, "rate": 0.01, "rest": 0.1},
    }

    steps: int = ENDS[-1]
    rate: float = 0.001
    jitter: float = 0.0
    mu: float = 0.01  # weight of the network's image beside the measurement
    rho: float = 0.001  # weight of the measurement in the network's fit, beside mu
    eta: float = 0.01  # weight of the total variation's image; falls by 0.92 at a time
    rest: float = 0.0  # share of eta that is left at last, where the measurement has noise; authors: none
    smooth: float = 0.1  # weight of the total variation itself; falls by 0.99 at a time

    def __post_init__(self) -> None:
        """Refuse weights that hold nothing."""
        super().__post_init__()
        if self.mu <= 0 or self.rho <= 0 or self.eta < 0 or not 0 <= self.rest <= 1:
            raise ValueError(
                f"mu = {self.mu}, rho = {self.rho}, eta = {self.eta}, rest = {self.rest}: mu and rho must be above 0, "
                "eta 0 or more, rest 0 to 1."
            )

    def outer(self, step: int) -> int:
        """How many outer iterations have ended before this step."""
        return bisect_right(ENDS, step * ENDS[-1] / max(1, self.steps))

    def pull(self, step: int) -> float:
        """mu / rho, mu of this outer iteration."""
        return self.mu * 0.998 ** self.outer(step) / self.rho

    def eta_at(self, count: int) -> float:
        """eta after so many outer iterations."""
        return self.eta * max(0.92**count, self.rest)

    def is_due(self, step: int) -> bool:
        """At the end of an outer iteration."""
        return self.outer(step + 1) > self.outer(step)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """The code, no x yet, and no image of the total variation."""
        inputs = super().prepare(problem, draw)
        return {**inputs, "smoothed": inputs["x"].clone(), "dual_smoothed": inputs["x"].clone()}

    def moved(
        self, inputs: dict[str, Tensor], made: Float[Tensor, "b c *s"], problem: Problem, step: int
    ) -> dict[str, Tensor]:
        """The duals of what was just fitted, x by the measurement and both images, and what is smooth of it."""
        count = self.outer(step + 1) - 1
        mu, eta = self.mu * 0.998**count, self.eta_at(count)
        first = inputs["begun"] == 0
        dual = torch.where(first, inputs["dual"], inputs["dual"] + made - inputs["x"])
        smoothed = torch.where(first, made, inputs["smoothed"])
        near = (eta * (smoothed + inputs["dual_smoothed"]) + mu * (made + dual)) / (eta + mu)
        alpha = torch.full_like(made[:, :1, :1, :1], eta + mu)
        x = prox(problem, problem.mask.expand_as(problem.y).to(problem.y), near, alpha)
        changed = {"x": x, "dual": dual}
        if eta > 0:
            smoothed = _smooth(x - inputs["dual_smoothed"], self.smooth * 0.99**count)
            changed |= {"smoothed": smoothed, "dual_smoothed": inputs["dual_smoothed"] + smoothed - x}
        return changed


def _smooth(x: Float[Tensor, "b c h w"], weight: float) -> Float[Tensor, "b c h w"]:
    """What a few steps of Chambolle's (J. Math. Imaging Vis. 2004) make of x, plane by plane."""
    from skimage.restoration import denoise_tv_chambolle

    planes = x.flatten(0, 1).cpu().numpy()
    done = [denoise_tv_chambolle(plane, weight, eps=0, max_num_iter=CHAMBOLLE) for plane in planes]
    return torch.from_numpy(np.stack(done)).to(x).reshape(x.shape)
