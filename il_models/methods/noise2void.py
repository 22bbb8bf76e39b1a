"""Noise2Void: hide some pixels with all whose noise resembles theirs, and learn to guess them from the others."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from il_models.crops import counted, crop_sides, random_crop
from il_models.draw import Draw
from il_models.masking import WINDOW, guessed, mean_guess, span, widened
from il_models.method import Fitted
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.smooth_unet import SmoothUNet
from il_models.problem import Problem
from il_models.residue import REACH, missed
from il_models.schedules import cosine

AXES = {"pixels": (0, 0), "rows": (0, 1), "columns": (1, 0), "both": (1, 1)}  # along y and along x


@dataclass(frozen=True, kw_only=True)
class Noise2Void(Fitted):
    """Krull, Buchholz and Jug, "Noise2Void", CVPR 2019, for one input, with what its successors found.

    From N2V2 (Höck et al., ECCV-W 2022): a hidden pixel becomes the mean of its surroundings without itself, the
    network has no skip at the top, blurs where it pools and predicts the picture, not a residual. From structN2V
    (Broaddus et al., ISBI 2020): along an axis on which the noise is correlated a span is hidden about each target.
    Which axes, and how far, is each tile's own affair, by the correlation that was found of its noise. The estimate
    is the mean of `passes`, in each of which other pixels are hidden.

    Of a tile of white noise single pixels are hidden. What spans hide of correlated noise they hide of fine detail as
    well, and the guesses are soft: `regain` gives back what the residual holds beyond noise of the level and the
    correlation that were found. On pictures full of detail that is most of the quality, on smooth ones next to nothing.
    `fast` regains, has a smaller network, one crop a step and more hidden pixels. The defaults cost 40 times as much.
    """

    name: ClassVar[str] = "noise2void"
    summary: ClassVar[str] = "guesses hidden pixels; along correlated noise it hides spans (N2V2, structN2V)"
    source: ClassVar[str] = "Krull et al., CVPR 2019, arXiv 1811.10980; N2V2: arXiv 2211.08512; defaults of n2v (BSD-3)"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {
            "steps": 500,
            "rate": 2e-3,
            "squares": 0.95,
            "crops": 1,
            "width": 24,
            "hidden": 0.2,
            "grow": 1,
            "regain": True,
        },
    }

    steps: int = 800  # n2v: 100 epochs; a tile of 256 x 256 has 16 patches and 8 turns of each: 8 steps of 16
    rate: float = 4e-4  # n2v: 4e-4, lowered on plateaus
    squares: float = 0.999  # Adam's memory of squared gradients
    last_rate: float = 1e-5  # where the cosine ends
    crop: int = 64  # n2v: 64
    crops: int = 16  # n2v: 16 to 128 patches a step
    width: int = 32  # n2v: 32, doubled at each of the lower levels
    depth: int = 2  # n2v: 2
    hidden: float = 0.015  # share of targets; n2v: 0.015, its papers and CAREamics: 0.002
    mask: Literal["auto", "pixels", "rows", "columns", "both"] = "auto"  # what is hidden about a target
    longest: int = 4  # px to either side of a target; CAREamics: 2, whatever the noise
    grow: int = 0  # px that a span is longer than it must be, so that it holds more targets; structN2V: 0
    passes: int = 20  # n2v: one, with nothing hidden, which shows a network what it never saw
    count: Literal["all", "targets"] = "all"  # which guesses of a pass are averaged
    regain: bool = False  # whether what the residual holds beyond the noise is given back; papers: no
    own_rate: float = 1e-4  # for own steps from a start

    @property
    def reach(self) -> int:
        """The network's, and the neighbourhood that fills what is hidden, and the windows of `regain`."""
        return self._sees + (REACH if self.regain else 0)

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the crops of each step, forward for each pass."""
        each = SmoothUNet.multiplications(channels, *self._widths, top_skip=False)
        seen = min(pixels, self.crop**2) if self.crop else pixels
        return each * (3 * seen * self.crops * self.steps + self.passes * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """A U-Net that cannot copy its input at full resolution."""
        return SmoothUNet(problem.channels, *self._widths)

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
        """Mean squared error of the guesses of targets. Pixels that were not measured are hidden and no targets."""
        del step
        sides = crop_sides(problem, self.crop)
        pieces = [
            random_crop(problem, inputs["measured"], draw, *sides) if sides else (problem.y, problem.mask)
            for _ in range(self.crops)
        ]
        y, mask = (torch.stack(each, 1).flatten(0, 1) for each in zip(*pieces, strict=True))
        by = self.spans(problem).repeat_interleave(self.crops, 0)
        hidden, targets = self._hidden(by, draw.uniform(self.crops, 1, *y.shape[-2:]).flatten(0, 1))
        error = (guessed(nets, y, mask & ~hidden) - y) ** 2
        error, kept = (each.unflatten(0, (problem.b, -1)).transpose(1, 2) for each in (error, mask & targets))
        return mean(error, kept)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """The mean of `passes`."""
        del inputs
        by, place = self.spans(problem), draw.uniform(1, *problem.y.shape[-2:])

        def hide(number: int) -> tuple[Tensor, Tensor]:
            hidden, targets = self._hidden(by, (place + number / self.passes) % 1)
            return problem.mask & ~hidden, targets if self.count == "targets" else torch.ones_like(targets)

        x = mean_guess(nets, problem.y, hide, self.passes, self._sees, 2**self.depth)
        return x + missed(problem, x) if self.regain else x

    def on_input(self) -> "Noise2Void":
        """Random crops of it."""
        return replace(self, crop=self.crop or 64)

    def own_steps(self, steps: int) -> "Noise2Void":
        """Cosine from a rate that does not undo the start."""
        return replace(self, steps=steps, rate=self.own_rate)

    def spans(self, problem: Problem) -> Int[Tensor, "b 2"]:
        """How many pixels to either side of a target are hidden with it, along y and along x, of each tile."""
        found = span(problem.noise.correlation, self.longest)
        if self.mask == "auto":
            return found
        return found.clamp(min=min(2, self.longest)) * torch.tensor(AXES[self.mask], device=found.device)

    def _hidden(self, by: Int[Tensor, "b 2"], chance: Float[Tensor, "b 1 h w"]) -> tuple[Tensor, Tensor]:
        """Which pixels are hidden, and which of them are targets, for nothing within their span is shown."""
        longer = torch.where(by > 0, by + self.grow, by)
        area = (2 * longer + 1).prod(1).reshape(-1, 1, 1, 1)
        hidden = widened(chance < (0.5 / area).clamp(max=self.hidden), longer, self.longest + self.grow)
        return hidden, ~widened(~hidden, by, self.longest)

    @property
    def _sees(self) -> int:
        return SmoothUNet.radius(self.depth) + WINDOW // 2

    @property
    def _widths(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        encoder = tuple(self.width * 2**level for level in range(self.depth + 1))
        return encoder, encoder[:-1]
