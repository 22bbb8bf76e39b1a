"""Pixel2Pixel: pixels whose surroundings look alike stand in for a second measurement of the scene."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from il_models.bank import LARGEST, similar_pixels, values_at
from il_models.crops import counted, crop_sides, cut, random_corners
from il_models.draw import Draw
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.plain import PlainStack
from il_models.on_crops import Decay, OnCrops
from il_models.problem import Problem
from il_models.views import mean_over_views

ALIKE = 1.7  # so many spreads below 2 the nearest patches lie together where the scene repeats, chosen on two pictures
WINDOW = 192  # side of the windows of a whole input in which pixels are compared
FAST: Mapping[str, Any] = {
    "layers": 4,
    "width": 48,
    "steps": 1000,
    "rate": 3e-3,
    "squares": 0.95,
    "decay": "cosine",
    "crop": 48,
    "target": "mean",
    "fair": True,
}


@dataclass(frozen=True, kw_only=True)
class Pixel2Pixel(OnCrops):
    """Ma et al., "Pixel2Pixel: A Pixelwise Approach for Zero-Shot Single Image Denoising", TPAMI 2025.

    The bank of a tile is a stack of images: the tile itself, then at every pixel the one of its window whose patch is
    nearest, the second nearest, and so on. A step mixes two images from it at random, pixel by pixel and never the same
    one twice, and learns to map one to the other as Noise2Noise does.

    The defaults are the paper's, most of an hour of one CPU for 256 x 256 pixels. The preset `fast` takes random crops,
    a higher rate, an Adam that forgets fast, a smaller network, steadier targets and fairer pairs (see `fair`): 15 s.
    What the smaller fit loses was not measured. `fast_colour` compares smaller patches, which three channels allow: 0.7
    and 0.8 dB on two of Kodak at sigma 25, and there still below zs_n2n. On one channel they lose 0.5 dB.

    Memory of the bank: 4 c used + 5 bytes per pixel, three times that while it is made.
    """

    name: ClassVar[str] = "pixel2pixel"
    summary: ClassVar[str] = "learns from pairs of pixels whose surroundings look alike"
    source: ClassVar[str] = "Ma et al., TPAMI 2025; its code has no licence and was not used"
    assumes_white_noise: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"fast": FAST, "fast_colour": {**FAST, "patch": 5}}

    steps: int = 3000
    rate: float = 1e-3
    decay: Decay = "halving"  # paper: halved at 1500, 2000 and 2500 of 3000 steps
    layers: int = 5
    width: int = 64
    used: int = 8  # paper: 8, the pixel itself among them, of 16 found; 20 for real noise
    target: Literal["another", "mean"] = "another"  # paper: another image; the mean of all others swings less
    fair: bool = False  # paper: False; takes the noise level where there is one; see `_found`
    patch: int = 7
    radius: int = 20  # paper: windows of 40 px
    windows: int = 0  # of a whole input: the bank is made in so many random windows of it; 0: everywhere

    def __post_init__(self) -> None:
        """Refuse a bank that no pair can be drawn from."""
        super().__post_init__()
        if self.used < 2 or self.patch % 2 == 0:
            raise ValueError(f"used = {self.used} and patch = {self.patch}: a pair takes 2 or more, a patch is odd.")
        if not 0 < self.radius <= LARGEST:
            raise ValueError(f"radius = {self.radius}: a window reaches 1 to {LARGEST} pixels.")

    @property
    def reach(self) -> int:
        """One pixel per 3x3 layer; the bank takes part in the fit alone."""
        return self.layers

    def work(self, pixels: int, channels: int) -> float:
        """The search, forward and backward on the crop per step, and at the end one forward pass."""
        weights = 9 * channels * self.width + 9 * self.width**2 * (self.layers - 1) + self.width * channels
        searched = min(pixels, self.windows * WINDOW**2) if self.windows else pixels
        compared = (2 * self.radius + 1) ** 2 * (self.patch + self.used + channels)
        return compared * searched + weights * (3.0 * self.seen(pixels) * self.steps + self.views * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """Orthogonal weights, as in the paper, but no sigmoid at the end: the values are not confined to 0 to 1."""
        stack = PlainStack(problem.channels, self.width, self.layers)
        for weights in stack.parameters():
            if weights.ndim == 4:
                nn.init.orthogonal_(weights, gain=2**0.5 if weights.shape[-1] == 3 else 1.0)
        return stack

    def optimiser(self, weights: list[Tensor]) -> torch.optim.Optimizer:
        """AdamW, which shrinks each weight by itself."""
        return torch.optim.AdamW(weights, lr=self.rate, betas=(0.9, self.squares))

    def rate_at(self, step: int) -> float:
        """Halving: after a half, two thirds and five sixths of the steps."""
        if self.decay != "halving":
            return super().rate_at(step)
        return self.rate * 0.5 ** sum(6 * step >= sixths * self.steps for sixths in (3, 4, 5))

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """One bank per window, each its images (b, windows, used, c, h, w), how many of them are known at each pixel
        (b, windows, 1, h, w), and how many pixels are of use above and left of each corner.
        """
        if self.steps == 0:
            return {}
        level = problem.noise.nominal(problem.y.flatten(2).mean(2)[..., None, None])
        measured, sides = counted(problem.mask), crop_sides(problem, WINDOW) if self.windows else None
        banks, known = [], []
        for _ in range(self.windows if sides else 1):
            y, mask = problem.y, problem.mask
            if sides:
                corner = random_corners(measured, draw, *sides)
                y, mask = cut(y, *corner, *sides), cut(mask, *corner, *sides)
            place, found = self._found(y / level, mask)
            banks.append(torch.cat([y[:, None], values_at(y, place)], 1))
            known.append(mask * (1 + found.sum(1, keepdim=True)))
        useful = torch.stack([counted(each > 1) for each in known], 1)
        return {"bank": torch.stack(banks, 1), "known": torch.stack(known, 1).to(torch.uint8), "useful": useful}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Mean square of the network's output from one random image of the bank minus another one, or their mean."""
        del step
        bank, known = self._piece(inputs, draw)
        high, wide = bank.shape[-2:]
        count = known.clamp(min=1)
        first = (draw.uniform(1, high, wide) * count).long()
        x = _chosen(bank, first)
        if self.target == "another":
            other = first + 1 + (draw.uniform(1, high, wide) * (count - 1)).long()
            z = _chosen(bank, other % count)
        else:
            rank = torch.arange(self.used, device=bank.device)[:, None, None, None]
            others = torch.where(rank < count[:, None], bank, 0).sum(1, keepdim=True) - x
            z = others / (count - 1).clamp(min=1)[:, None]
        return mean((nets(x)[:, 0] - z[:, 0]) ** 2, known > 1)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """What the network makes of the measurement.

        On Cameraman and Monarch at sigma 25 its outputs from random images of the bank, averaged, are 1.4 dB worse, the
        mean of both 0.3 dB worse, and what it makes of the bank's mean 1.4 dB worse: the images differ by scene, too.
        """
        del inputs, draw
        return mean_over_views(lambda y: nets(y[:, None])[:, 0], problem.y, self.views, self.reach)

    def on_input(self) -> "Pixel2Pixel":
        """Random crops of 32 windows, 1.2M pixels: a bank of 8M pixels takes minutes and 270 c MB."""
        return replace(self, decay="cosine", crop=self.crop or 64, windows=self.windows or 32)

    def own_steps(self, steps: int) -> "Pixel2Pixel":
        """Cosine from a rate that does not undo the start, with the tile's own bank."""
        return replace(self, steps=steps, rate=self.own_rate, decay="cosine", windows=0)

    def _found(self, y: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Places of the similar pixels, and which are known, for y in units of its noise.

        The nearest patches are near by their centres' noise, too, so that the two noises of a pair are alike and some
        survives. Without the centre they are not, but scenes differ more, and details are lost where nothing repeats.
        `fair` leaves the centre out where many patches are as near as noise lets them be: Cameraman gains 0.3 dB at
        sigma 25 and 1.0 at 50, Monarch 0.0 and 0.8, two of Kodak in colour nothing.
        """
        whole = similar_pixels(y, mask, self.used - 1, radius=self.radius, patch=self.patch)
        if not self.fair:
            return whole.place, whole.known
        rest = similar_pixels(y, mask, self.used - 1, radius=self.radius, patch=self.patch, centre=False)
        # Of two patches of one scene the mean squared difference is 2, with the spread of so many squares.
        spread = math.sqrt(8 / (max(1, self.patch**2 - 1) * y.shape[1]))
        alike = rest.distance.mean(1, keepdim=True) < 2 - ALIKE * spread
        return torch.where(alike, rest.place, whole.place), whole.known

    def _piece(self, inputs: dict[str, Tensor], draw: Draw) -> tuple[Tensor, Tensor]:
        """Bank and count of known images of one window of each tile, or of a random crop of it."""
        bank, known, useful = inputs["bank"], inputs["known"], inputs["useful"]
        b, windows, used, c, h, w = bank.shape
        tile = torch.arange(b, device=bank.device)
        which = draw.integers(windows)
        bank, known, useful = (each[:, 0] if windows == 1 else each[tile, which] for each in (bank, known, useful))
        if self.crop == 0 or self.crop >= max(h, w):
            return bank, known
        high, wide = min(self.crop, h), min(self.crop, w)
        corner = random_corners(useful, draw, high, wide)
        return (
            cut(bank.flatten(1, 2), *corner, high, wide).unflatten(1, (used, c)),
            cut(known, *corner, high, wide),
        )


def _chosen(bank: Float[Tensor, "b n c h w"], which: Int64[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 c h w"]:
    """At each pixel the one of the images that `which` says, all channels of it."""
    return bank.gather(1, which[:, None].expand(-1, 1, bank.shape[2], -1, -1))
