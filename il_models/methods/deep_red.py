"""Deep Image Prior with regularisation by denoising: the network's image, and one that a denoiser agrees with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.degradations import Blur, Degradation, Downsample, Mask, Subsample
from il_models.draw import Draw
from il_models.nonlocal_means import patch_means
from il_models.priors import SMALL
from il_models.problem import Problem
from il_models.untrained import Split

PATCH, DISTANCE = 5, 6  # of the authors' non-local means
H = 0.75  # in units of `level`: their 0.6, which scikit-image divides by a whole patch but sums over 4 x 4 of it
SLOWER = 1000  # steps after which the rate falls by a tenth


@dataclass(frozen=True, kw_only=True)
class DeepRed(Split):
    """Mataev, Milanfar and Elad, "DeepRED: Deep image prior powered by RED", ICCV Workshops 2019, by ADMM.

    After every `inner` steps x = (beta D(x) + mu (T + u)) / (beta + mu) and u = u + T - x, where D is non-local means
    told a noise of `level`, and D(x) is made anew every `look` steps. Defaults are the authors' for deblurring with
    noise of sqrt 2 in units of 0 to 255. They run the denoiser beside the fit, so that no run is like another; here it
    runs within it. They return x - u; here the network's image is averaged along the fit as in `dip`.

    `fast` has an hourglass of 120,000 weights and moves x every tenth step.
    """

    name: ClassVar[str] = "deep_red"
    summary: ClassVar[str] = "an untrained hourglass and non-local means in turn: sharpens, enlarges, fills gaps"
    source: ClassVar[str] = "Mataev, Milanfar and Elad, ICCV Workshops 2019, arXiv 1903.10176"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Blur, Downsample, Subsample, Mask)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {**SMALL, "steps": 4000, "rate": 0.01, "inner": 10},
    }

    steps: int = 30000
    rate: float = 0.004
    jitter: float = 0.01
    beta: float = 0.02  # weight of the denoiser (lambda of the paper)
    mu: float = 0.04  # of the distance between both images
    level: float = 3 / 255  # noise that the denoiser is told, of the range 0 to 1 of problem units
    inner: int = 1  # steps between two of x; each costs a third of a step
    look: int = 10  # steps between two runs of the denoiser

    def __post_init__(self) -> None:
        """Refuse an iteration that never moves."""
        super().__post_init__()
        if self.inner < 1 or self.look < 1 or self.beta < 0 or self.mu <= 0:
            raise ValueError(
                f"inner = {self.inner}, look = {self.look}, beta = {self.beta}, mu = {self.mu}: inner and look must be "
                "1 or more, beta 0 or more, mu above 0."
            )

    def rate_at(self, step: int) -> float:
        """Down by a tenth every thousand steps."""
        return self.rate * 0.9 ** (step // SLOWER)

    def pull(self, step: int) -> float:
        """Always mu."""
        del step
        return self.mu

    def is_due(self, step: int) -> bool:
        """Every `inner` steps."""
        return (step + 1) % self.inner == 0

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """The code, and neither x nor D(x) yet."""
        inputs = super().prepare(problem, draw)
        return {**inputs, "cleaned": inputs["x"].clone()}

    def moved(
        self, inputs: dict[str, Tensor], made: Float[Tensor, "b c *s"], problem: Problem, step: int
    ) -> dict[str, Tensor]:
        """The fixed point's next x, kept in the range of the output, and the dual variable."""
        del problem
        due = (step + 1) % max(self.look, self.inner) < self.inner
        x = torch.where(inputs["begun"] > 0, inputs["x"], made)
        cleaned = torch.where(inputs["begun"] > 0, inputs["cleaned"], made)
        cleaned = _cleaned(x, self.level) if due else cleaned
        x = (self.beta * cleaned + self.mu * (made + inputs["dual"])) / (self.beta + self.mu)
        x = torch.minimum(torch.maximum(x, inputs["low"]), inputs["low"] + inputs["wide"])
        return {"x": x, "dual": inputs["dual"] + made - x, "cleaned": cleaned}


def _cleaned(x: Float[Tensor, "b c h w"], level: float) -> Float[Tensor, "b c h w"]:
    """x by non-local means, plane by plane."""
    planes = x.flatten(0, 1)[:, None]
    return patch_means(planes, h=H, scale=level, patch_size=PATCH, patch_distance=DISTANCE).reshape(x.shape)
