"""What methods have in common that go on from a pretrained shared denoiser."""

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from il_models.crops import counted, crop_sides, cut, random_corners
from il_models.draw import Draw
from il_models.method import Fitted
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.denoiser import MULTIPLE, WIDTHS, SharedDenoiser, Size
from il_models.planes import planes_of
from il_models.problem import Problem
from il_models.schedules import cosine
from il_models.self_supervision import neighbours, recorrupted, stein
from il_models.views import in_strips

Objective = Literal["r2r", "sure", "neighbours"]
REACH = 92  # px: eleven 3x3 layers at half, eight at quarter and four at eighth resolution, and the cells between them
NO_NOISE = 1e-5  # of the input's range: what is less noisy than this is left as it is
LAST = 0.1  # of the rate, where its cosine ends


@dataclass(frozen=True, kw_only=True)
class FromStart(Fitted, ABC):
    """A method whose network is the shared denoiser: a few steps, or none, from weights that fit already.

    Each tile's planes, in units of their noise, go through the network one by one, so that one start serves any number
    of channels. The noise may be coloured: the network is told, and so are the probes of the objectives.
    """

    needs_start: ClassVar[bool] = True
    needs_noise_level: ClassVar[bool] = True
    multiple: ClassVar[int] = MULTIPLE
    judges_itself: ClassVar[bool] = False  # it keeps the start where its adaptation is no better: no one else need ask

    size: Size = "small"  # that of the start
    crop: int = 128  # px, side of what a step sees of a tile; 0: all of it
    objective: Objective = "r2r"  # sure costs twice as much; neighbours needs no noise level, but halves the resolution

    def __post_init__(self) -> None:
        """Refuse crops that the network cannot halve three times."""
        super().__post_init__()
        if self.crop < 0 or self.crop % MULTIPLE:
            raise ValueError(f"crop = {self.crop} px: it must be a multiple of {MULTIPLE}, or 0 for the whole tile.")

    @property
    def start_network(self) -> Mapping[str, str | int]:
        """The shared denoiser of this size."""
        return {"kind": SharedDenoiser.__name__, "size": self.size}

    @property
    def reach(self) -> int | None:
        """Whatever the size."""
        return REACH

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the crop per step, at the end one forward pass."""
        fine, middle, coarse = WIDTHS[self.size]
        per_pixel = 9 * (8 * fine**2 / 4 + 8 * middle**2 / 16 + 4 * coarse**2 / 64 + 11 * fine / 4)
        seen = min(pixels, self.crop**2) if self.crop else pixels
        return per_pixel * channels * (3 * self.steps * seen * (2 if self.objective == "sure" else 1) + pixels)

    def network(self, problem: Problem) -> nn.Module:
        """The shared denoiser, without a start random."""
        del problem
        return SharedDenoiser(self.size)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """How many pixels were measured above and left of each, to know it of any crop."""
        del draw
        return {"measured": counted(problem.mask)} if crop_sides(problem, self.crop) else {}

    def rate_at(self, step: int) -> float:
        """A cosine down to a tenth."""
        return cosine(step, self.steps, self.rate, LAST * self.rate)

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """The objective on a crop of each tile, over the measured pixels, in units of the noise variance."""
        del step
        z, mask = planes_of(problem).z, problem.mask
        if sides := crop_sides(problem, self.crop):
            corners = random_corners(inputs["measured"], draw, *sides)
            z, mask = cut(z, *corners, *sides), cut(mask, *corners, *sides)

        def run(seen: Float[Tensor, "b c h w"], level: float) -> Float[Tensor, "b c h w"]:
            return denoised(nets, seen, problem.noise.correlation, level)

        if self.objective == "neighbours":
            return neighbours(run, z, mask)
        errors = (stein if self.objective == "sure" else recorrupted)(run, z, problem.noise, draw)
        return mean(errors, mask)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """The network's image of each plane; y where there is no noise."""
        del inputs, draw
        planes = planes_of(problem)
        x = in_strips(lambda z: denoised(nets, z, problem.noise.correlation), planes.z, REACH, MULTIPLE)
        return torch.where(planes.sigma > NO_NOISE, planes.image(x), problem.y)

    def opened(self, nets: Nets, seeds: Int64[Tensor, " b"]) -> Nets:
        """The networks with what this method fits beside their weights; what they make of a tile stays the same."""
        del seeds
        return nets

    def closed(self, nets: Nets) -> Nets:
        """The networks as the shared denoiser alone, with what was fitted beside its weights worked into them."""
        return nets

    def on_input(self) -> "FromStart":
        """Random crops of it."""
        return replace(self, crop=self.crop or 128)

    def own_steps(self, steps: int) -> "FromStart":
        """So many of the same."""
        return replace(self, steps=steps)


def denoised(
    nets: Nets, z: Float[Tensor, "b c h w"], correlation: Float[Tensor, "b 2"], level: float = 1.0
) -> Float[Tensor, "b c h w"]:
    """Planes by each tile's network, which is told that their noise is `level` of this colour."""
    sigma = torch.full_like(z, level)[:, :, None]
    each = correlation.to(z)[:, None].expand(-1, z.shape[1], 2)
    return nets(z[:, :, None], sigma, each)[:, :, 0]


def is_gain(name: str) -> bool:
    """Whether a weight of the shared denoiser is one of its gains."""
    return name.endswith(".gain")
