"""MASH: guess hidden pixels, the more of them the more correlated the noise, after shuffling where nothing is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from il_models.crops import counted, crop_sides, random_crop
from il_models.draw import Draw
from il_models.masking import LEVEL, WINDOW, guessed, mean_guess
from il_models.method import Fitted
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.smooth_unet import SmoothUNet
from il_models.problem import Problem
from il_models.residue import REACH, missed
from il_models.schedules import cosine

SHARES = (0.1, 0.5, 0.9)  # paper: of hidden pixels, for white, somewhat and strongly correlated noise
CORRELATED = (0.1, 0.3)  # from these correlations on noise is somewhat, strongly correlated


@dataclass(frozen=True, kw_only=True)
class MASH(Fitted):
    """Chihaoui and Favaro, "Masked and Shuffled Blind Spot Denoising for Real-World Images", CVPR 2024.

    A network guesses randomly hidden pixels from the others. The more of them are hidden, the fewer shown neighbours
    are left whose noise tells of a hidden pixel's noise, so their share follows the noise's correlation. Where the
    scene is flat the pixels of small squares are shuffled, which makes their noise less alike still.

    The paper tells the correlation from how the residuals of two fits with 20 and 80 % hidden differ; here every
    problem says how its noise is correlated, which costs nothing. Which squares are flat the paper reads off an
    estimate along the fit; here off the networks' own guess of the crop, against the noise level.

    White noise is not what it is for. Guesses from a tenth of the pixels are soft: `regain` gives back what the
    residual holds beyond noise of the level and the correlation that were found. On pictures full of detail that is
    most of the quality, on smooth ones it costs 0.1 to 0.2 dB. `fast` regains, has a smaller network and small crops.
    The defaults cost 100 times as much.
    """

    name: ClassVar[str] = "mash"
    summary: ClassVar[str] = "guesses hidden pixels, more of them where noise is correlated, and shuffles flat parts"
    source: ClassVar[str] = "Chihaoui and Favaro, CVPR 2024, arXiv 2404.09389"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {"steps": 500, "rate": 2e-3, "squares": 0.95, "crop": 64, "width": 24, "depth": 2, "regain": True},
    }

    steps: int = 800  # paper: 700 to 800
    rate: float = 4e-4  # paper: 4e-4, a cosine
    squares: float = 0.999  # Adam's memory of squared gradients
    last_rate: float = 1e-5  # where the cosine ends
    width: int = 48  # paper: 48, and 96 in the decoder
    depth: int = 4  # paper: four scales
    crop: int = 0  # side of the random crop of a step; 0, and in the paper: the whole tile
    share: Literal["auto"] | float = "auto"  # of hidden pixels; paper: 0.1, 0.5 or 0.9 by the residuals of two fits
    square: int = 4  # paper: 4; side of the squares that are shuffled, 0: none
    shuffle_from: int = 50  # paper: from step 50 or 100 on
    flat: float = 0.3  # guesses of a flat square vary by less than this part of sigma
    passes: int = 10  # paper: 10
    regain: bool = False  # whether what the residual holds beyond the noise is given back; papers: no
    own_rate: float = 1e-4  # for own steps from a start

    @property
    def reach(self) -> int:
        """The network's, and the neighbourhood that fills what is hidden, and the windows of `regain`."""
        return self._sees + (REACH if self.regain else 0)

    def work(self, pixels: int, channels: int) -> float:
        """Forward twice and backward on the crop of each step, forward for each pass."""
        each = SmoothUNet.multiplications(channels, *self._widths, top_skip=True)
        seen = min(pixels, self.crop**2) if self.crop else pixels
        return each * (4 * seen * self.steps + self.passes * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """A U-Net with skips at all levels: what is hidden it cannot copy."""
        return SmoothUNet(problem.channels, *self._widths, top_skip=True)

    def optimiser(self, weights: list[Tensor]) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(weights, lr=self.rate, betas=(0.9, self.squares))

    def rate_at(self, step: int) -> float:
        """A cosine down to `last_rate`."""
        return cosine(step, self.steps, self.rate, self.last_rate)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """How many pixels were measured above and left of each, to know it of any crop."""
        del draw
        return {"measured": counted(problem.mask)} if crop_sides(problem, self.crop) else {}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Mean absolute error of the guesses of hidden pixels. What was not measured is hidden, and not asked for."""
        sides = crop_sides(problem, self.crop)
        y, mask = random_crop(problem, inputs["measured"], draw, *sides) if sides else (problem.y, problem.mask)
        hidden = draw.uniform(1, *y.shape[-2:]) < self.shares(problem)
        if step >= self.shuffle_from and self.square and min(y.shape[-2:]) >= self.square:
            with torch.no_grad():
                flat = self.flat_squares(guessed(nets, y, mask & ~hidden), mask, problem)
            y = shuffled(y, flat, self.square, draw)
        error = guessed(nets, y, mask & ~hidden) - y
        # a root of squares, for unlike an absolute value it notices numbers that are far too large
        return mean((error**2 + 1e-10).sqrt(), mask & hidden)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """The mean of what is guessed of each pixel while it is hidden, which is so in a `share` of the passes."""
        del inputs
        share, place = self.shares(problem), draw.uniform(1, *problem.y.shape[-2:])

        def hide(number: int) -> tuple[Tensor, Tensor]:
            hidden = (place + number / self.passes) % 1 < share
            return problem.mask & ~hidden, hidden

        x = mean_guess(nets, problem.y, hide, self.passes, self._sees, 2**self.depth)
        return x + missed(problem, x) if self.regain else x

    def on_input(self) -> "MASH":
        """Random crops of it."""
        return replace(self, crop=self.crop or 64)

    def own_steps(self, steps: int) -> "MASH":
        """Cosine from a rate that does not undo the start, on crops if these were asked for."""
        return replace(self, steps=steps, rate=self.own_rate, shuffle_from=0)

    def shares(self, problem: Problem) -> Float[Tensor, "b 1 1 1"]:
        """The share of pixels that are hidden, of each tile."""
        colour = problem.noise.colour.abs().reshape(-1, 1, 1, 1)
        if self.share != "auto":
            return torch.full_like(colour, self.share)
        white, somewhat, strongly = (torch.full_like(colour, each) for each in SHARES)
        return torch.where(colour < CORRELATED[0], white, torch.where(colour < CORRELATED[1], somewhat, strongly))

    def flat_squares(
        self, clean: Float[Tensor, "b c h w"], mask: Bool[Tensor, "b 1 h w"], problem: Problem
    ) -> Bool[Tensor, "b 1 rows columns"]:
        """Whole squares, all measured, in no channel of which the guess varies by much against the noise."""
        sigma = problem.noise.nominal(torch.full_like(clean[..., 0, 0], LEVEL))[..., None, None]
        varies = squares(clean, self.square).std(-1) / sigma
        return (varies.amax(1, keepdim=True) < self.flat) & squares(mask, self.square).all(-1)

    @property
    def _sees(self) -> int:
        return SmoothUNet.radius(self.depth) + WINDOW // 2

    @property
    def _widths(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (self.width,) * (self.depth + 1), (2 * self.width,) * self.depth


def squares(x: Tensor, side: int) -> Tensor:
    """The whole squares of that side, (b, c, h, w) -> (b, c, h // side, w // side, side^2)."""
    return x.unfold(-2, side, side).unfold(-2, side, side).flatten(-2)


def shuffled(
    x: Float[Tensor, "b c h w"], flat: Bool[Tensor, "b 1 rows columns"], side: int, draw: Draw
) -> Float[Tensor, "b c h w"]:
    """x with the pixels of flat squares in another order, the same for all channels."""
    cells = squares(x, side)
    own = torch.arange(side**2, device=x.device)
    order = torch.where(flat[..., None], draw.uniform(*cells.shape[2:])[:, None].argsort(-1), own)
    mixed = cells.gather(-1, order.expand_as(cells)).unflatten(-1, (side, side)).transpose(-3, -2)
    result = x.clone()
    result[..., : mixed.shape[2] * side, : mixed.shape[-2] * side] = mixed.flatten(2, 3).flatten(-2)
    return result
