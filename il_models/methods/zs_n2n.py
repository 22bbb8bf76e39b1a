"""Zero-Shot Noise2Noise: a tiny network learns to map one half-resolution copy of a tile to the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from il_models.diagonals import diagonals, measured_cells, pair_loss
from il_models.draw import Draw
from il_models.nets import Nets
from il_models.networks.three_layers import ThreeLayers
from il_models.on_crops import Decay, OnCrops
from il_models.problem import Problem
from il_models.views import mean_over_views


@dataclass(frozen=True, kw_only=True)
class ZeroShotNoise2Noise(OnCrops):
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
    decay: Decay = "cosine"  # paper: halved every 1500 steps
    width: int = 48  # paper: 48
    crop: int = 32  # side of the random crop of a step, even; 0: the whole tile, as in the paper
    views: Literal[1, 8] = 1  # flips and turns averaged in the estimate: 0.1 to 0.7 dB for a tile's own network
    precision: Literal["float32", "bfloat16"] = "float32"  # of the convolutions while fitting

    @property
    def start_network(self) -> Mapping[str, str | int]:
        """The three layers of this width."""
        return {"kind": ThreeLayers.__name__, "width": self.width}

    @property
    def reach(self) -> int:
        """Two 3x3 layers and one 1x1 layer."""
        return 2

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the crop per step, at full and twice at quarter size; at the end one forward pass."""
        weights = 9 * channels * self.width + 9 * self.width**2 + self.width * channels
        return weights * (4.5 * self.seen(pixels) * self.steps + self.views * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """Three convolutions, 21,313 weights for one channel."""
        return ThreeLayers(problem.channels, self.width)

    def rate_at(self, step: int) -> float:
        """Halving is that of the paper, every 1500 steps."""
        return self.rate * 0.5 ** (step // 1500) if self.decay == "halving" else super().rate_at(step)

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Residual and consistency loss, eq. 7 and 8, over the cells that were measured wholly."""
        del step
        y, mask = self.sample([problem.y, problem.mask], inputs, problem, draw)
        pair = diagonals(y)  # (b, 2, c, h/2, w/2)
        with torch.autocast(y.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            noise, whole_noise = nets(pair), nets(y[:, None])[:, 0]
        clean, whole = pair - noise.to(y.dtype), y - whole_noise.to(y.dtype)
        return pair_loss(pair, clean, whole, measured_cells(mask))

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """y minus the predicted noise, which is the mean over `views` flips and turns of the tile."""
        del inputs, draw
        return problem.y - mean_over_views(lambda y: nets(y[:, None])[:, 0], problem.y, self.views, self.reach)
