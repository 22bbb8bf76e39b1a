"""Zero-Shot Noise2Noise: a tiny network learns to map one half-resolution copy of a tile to the other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from il_models.crops import counted, crop_sides, random_crop
from il_models.draw import Draw
from il_models.method import Fitted
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.three_layers import ThreeLayers
from il_models.problem import Problem
from il_models.schedules import cosine
from il_models.views import mean_over_views


@dataclass(frozen=True, kw_only=True)
class ZeroShotNoise2Noise(Fitted):
    """Mansour and Heckel, "Zero-Shot Noise2Noise: Efficient Image Denoising without any Data", CVPR 2023.

    Two fixed 2x2 kernels average the diagonals of each cell into two half-size images with independent noise and nearly
    the same scene (eq. 5); the network predicts the noise; residual loss (eq. 7) plus consistency loss (eq. 8).

    The paper fits whole tiles (crop 0, rate 1e-3, squares 0.999, halving). Small crops, a higher rate and an Adam whose
    mean of squares forgets fast reach its quality in a tenth of the arithmetic (benchmarks/results/denoising.md).
    """

    name: ClassVar[str] = "zs_n2n"
    summary: ClassVar[str] = "21 k weights, learned from the input's own half-resolution pairs; needs no noise level"
    source: ClassVar[str] = "Mansour and Heckel, CVPR 2023, arXiv 2303.11253"
    assumes_white_noise: ClassVar[bool] = True
    multiple: ClassVar[int] = 2
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {"steps": 1000, "views": 8},  # 0.2 to 0.5 dB below the defaults
        "paper": {"steps": 2000, "crop": 0, "rate": 1e-3, "squares": 0.999, "decay": "halving"},
    }

    steps: int = 3000  # paper: 2000; tiles of 128 x 128 over-fit beyond 1000 (see views), whole inputs bear 8000
    rate: float = 3e-3  # paper: 1e-3 with Adam
    squares: float = 0.95  # paper: 0.999; Adam's memory of squared gradients. Short, it gains 0.4 dB in the same time
    decay: Literal["cosine", "halving"] = "cosine"  # paper: halved every 1500 steps
    last_rate: float = 1e-5  # where the cosine ends; without decay the mean drifts by grey levels
    width: int = 48  # paper: 48
    crop: int = 32  # side of the random crop of a step, even; 0: the whole tile, as in the paper
    own_rate: float = 1e-3  # for own steps from a start
    views: Literal[1, 8] = 1  # flips and turns averaged in the estimate: 0.1 to 0.7 dB for a tile's own network
    precision: Literal["float32", "bfloat16"] = "float32"  # of the convolutions while fitting

    @property
    def reach(self) -> int:
        """Two 3x3 layers and one 1x1 layer."""
        return 2

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the crop per step, at full and twice at quarter size; at the end one forward pass."""
        weights = 9 * channels * self.width + 9 * self.width**2 + self.width * channels
        seen = min(pixels, self.crop**2) if self.crop else pixels
        return weights * (4.5 * seen * self.steps + self.views * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """Three convolutions, 21,313 weights for one channel."""
        return ThreeLayers(problem.channels, self.width)

    def optimiser(self, weights: list[Tensor]) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(weights, lr=self.rate, betas=(0.9, self.squares))

    def rate_at(self, step: int) -> float:
        """Halved every 1500 steps, or a cosine down to `last_rate`."""
        if self.decay == "halving":
            return self.rate * 0.5 ** (step // 1500)
        return cosine(step, self.steps, self.rate, self.last_rate)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """How many pixels were measured above and left of each, to know it of any crop."""
        del draw
        return {"measured": counted(problem.mask)} if crop_sides(problem, self.crop) else {}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Residual and consistency loss, eq. 7 and 8, over the cells that were measured wholly."""
        del step
        sides = crop_sides(problem, self.crop)
        y, mask = random_crop(problem, inputs["measured"], draw, *sides) if sides else (problem.y, problem.mask)
        pair = _diagonals(y)  # (b, 2, c, h/2, w/2)
        cells = _diagonals(mask.float()).amin(1) == 1  # (b, 1, h/2, w/2)
        with torch.autocast(y.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            noise, whole_noise = nets(pair), nets(y[:, None])[:, 0]
        clean, whole = pair - noise.to(y.dtype), y - whole_noise.to(y.dtype)
        residual = (clean - pair.flip(1)) ** 2
        consistency = (clean - _diagonals(whole)) ** 2
        return 0.5 * mean((residual + consistency).sum(1), cells)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """y minus the predicted noise, which is the mean over `views` flips and turns of the tile."""
        del inputs, draw
        return problem.y - mean_over_views(lambda y: nets(y[:, None])[:, 0], problem.y, self.views, self.reach)

    def on_input(self) -> "ZeroShotNoise2Noise":
        """Random crops of it, and a cosine: an undecayed rate leaves the mean off by grey levels."""
        return replace(self, decay="cosine", crop=self.crop or 64)

    def own_steps(self, steps: int) -> "ZeroShotNoise2Noise":
        """Cosine from a rate that does not undo the start."""
        return replace(self, steps=steps, rate=self.own_rate, decay="cosine")


def _diagonals(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2 c h2 w2"]:
    """The means of the two diagonals of each 2x2 cell: two half-size images whose noise is independent (eq. 5)."""
    main = (x[..., 0::2, 0::2] + x[..., 1::2, 1::2]) / 2
    anti = (x[..., 0::2, 1::2] + x[..., 1::2, 0::2]) / 2
    return torch.stack([main, anti], 1)
