"""Noise2Detail: a second small network refines what the first one makes of a tile at several resolutions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from il_models.crops import crop_sides, cut, random_corners
from il_models.diagonals import diagonals, measured_cells, pair_loss
from il_models.draw import Draw
from il_models.nets import Nets
from il_models.networks.two_stages import TwoStages
from il_models.on_crops import Decay, OnCrops
from il_models.problem import Problem
from il_models.schedules import cosine
from il_models.views import in_strips, mean_over_views

STRIDES = (1, 2, 4)  # of the sub-images that the first network denoises, one after the other
PLANES = 1 + len(STRIDES)


@dataclass(frozen=True, kw_only=True)
class Noise2Detail(OnCrops):
    """After Chobola, Schnabel and Peng, "Lightweight Data-Free Denoising for Detail-Preserving Biomedical Image
    Restoration", MICCAI 2025.

    A network learns as in Zero-Shot Noise2Noise for half of the steps. Then it is kept as it is: the tile is denoised,
    the result cut into interleaved sub-images of every second pixel and denoised again, then of every fourth. That
    spreads what noise is left over more pixels than a small network sees. A second network of the same size reads the
    measurement and all three, and restores details.

    How the paper's second network learns is not known here: mapped to the measurement that its input was made of, it
    brought the noise back (25.1 dB where the first had 27.1). It learns from the pair of half-resolution images, each
    with its own smooth images, by the loss of the first. With as many steps as zs_n2n and a fifth more time, on
    Cameraman and Monarch: 0.3 and 0.2 dB better at sigma 25, 0.3 and 0.5 dB at sigma 50; 0.5 dB worse on one in colour.
    """

    name: ClassVar[str] = "n2d"
    summary: ClassVar[str] = "zs_n2n, and a second network that refines its result at several resolutions"
    source: ClassVar[str] = "Chobola, Schnabel and Peng, MICCAI 2025, arXiv 2510.15611; its second loss is ours"
    assumes_white_noise: ClassVar[bool] = True
    multiple: ClassVar[int] = 2 * STRIDES[-1]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {"steps": 3000, "rate": 3e-3, "squares": 0.95, "decay": "cosine", "crop": 32}
    }

    steps: int = 4000  # paper: 2000 for each network
    rate: float = 1e-3
    decay: Decay = "halving"  # paper: every 1000 steps; of each network's steps by itself
    width: int = 48
    share: float = 0.5  # of the steps that the first network takes

    @property
    def reach(self) -> int:
        """Two pixels of each stride, and two of the second network."""
        return 2 * sum(STRIDES) + 2

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the crop per step, at full and twice at quarter size; the smooth images."""
        weights = 9 * channels * self.width + 9 * self.width**2 + self.width * channels
        more = 9 * (PLANES - 1) * channels * self.width * (1 - self.share)
        return (weights + more) * (4.5 * self.seen(pixels) * self.steps + 2 * PLANES * self.views * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """Two networks of three convolutions."""
        return TwoStages(problem.channels, self.width, PLANES)

    def rate_at(self, step: int) -> float:
        """The schedule begins anew with the second network."""
        first = self._first
        done, steps = (step, first) if step < first else (step - first, self.steps - first)
        if self.decay == "cosine":
            return cosine(done, steps, self.rate, self.last_rate)
        return self.rate * 0.5 ** (2 * done // max(1, steps)) if self.decay == "halving" else self.rate

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """The loss of Zero-Shot Noise2Noise, of the first network and then of the second."""
        y, mask, sides = problem.y, problem.mask, crop_sides(problem, self.crop)
        second = step >= self._first
        if second and "whole" not in inputs:  # the first network has just become what it stays
            inputs.update(self._smoothed(nets, y))
        planes = [inputs["whole"], inputs["halves"]] if second else []
        if sides:
            rows, columns = random_corners(inputs["measured"], draw, *sides)
            y, mask = cut(y, rows, columns, *sides), cut(mask, rows, columns, *sides)
            if second:
                half = cut(planes[1], rows // 2, columns // 2, sides[0] // 2, sides[1] // 2)
                planes = [cut(planes[0], rows, columns, *sides), half]
        pair, cells = diagonals(y), measured_cells(mask)
        if not second:
            return pair_loss(pair, pair - nets(pair), y - nets(y[:, None])[:, 0], cells)
        whole, halves = planes[0][:, None], planes[1].unflatten(1, (2, -1))
        return pair_loss(pair, _refined(nets, halves), _refined(nets, whole)[:, 0], cells)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """What the second network makes of the measurement and its smooth images."""
        del inputs, draw
        return mean_over_views(
            lambda y: _refined(nets, _planes(nets, y)[:, None])[:, 0], problem.y, self.views, self.reach, STRIDES[-1]
        )

    def own_steps(self, steps: int) -> "Noise2Detail":
        """Of the second network alone: a cosine from a rate that does not undo the start."""
        return replace(self, steps=steps, rate=self.own_rate, decay="cosine", share=0.0)

    @property
    def _first(self) -> int:
        """How many steps the first network takes."""
        return round(self.share * self.steps)

    def _smoothed(self, nets: Nets, y: Tensor) -> dict[str, Tensor]:
        """The planes of the second network for the measurement (b, 4 c, h, w) and its halves (b, 2 * 4 c, h/2, w/2)."""
        with torch.no_grad():
            whole, *halves = (
                in_strips(lambda x: _planes(nets, x), x, self.reach, STRIDES[-1]) for x in (y, *diagonals(y).unbind(1))
            )
        return {"whole": whole, "halves": torch.cat(halves, 1)}


def _planes(nets: Nets, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
    """The measurement, and what the first network makes of it at the first stride, of that at the second, and so on."""
    planes = [y]
    for stride in STRIDES:
        b, c, h, w = y.shape
        parts = pixel_unshuffle(planes[-1], stride).reshape(b, c, stride**2, h // stride, w // stride).movedim(2, 1)
        clean = (parts - nets(parts)).movedim(1, 2).reshape(b, c * stride**2, h // stride, w // stride)
        planes.append(pixel_shuffle(clean, stride))
    return torch.cat(planes, 1)


def _refined(nets: Nets, planes: Float[Tensor, "b n d h w"]) -> Float[Tensor, "b n c h w"]:
    """The first smooth image minus what the second network says is wrong with it."""
    c = planes.shape[2] // PLANES
    return planes[:, :, c : 2 * c] - nets(planes)
