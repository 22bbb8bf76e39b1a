"""Deep Decoder: a generator with too few weights to hold the noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from il_models.draw import Draw
from il_models.method import Fitted
from il_models.nets import Nets
from il_models.networks import deep_decoder
from il_models.networks.hourglass import scales_of
from il_models.priors import CODE, image_sides, in_range, measured_range, misfit
from il_models.problem import Problem

DOUBLINGS = 5
SMALLEST = 4  # pixels a side of the code; the paper's is 16 on 512 px. One of 1 px could make nothing but a constant
PIXELS_PER_WEIGHT = 10  # independent noise values per weight from which on a long fit does not reproduce the noise


@dataclass(frozen=True, kw_only=True)
class DeepDecoder(Fitted):
    """Heckel and Hand, "Deep Decoder: Concise Image Representations from Untrained Networks", ICLR 2019.

    Minimises |A f(code) - y|^2 over the measured pixels. The image is as wide as the measured values with head-room
    (paper: a sigmoid, 0 to 1). The last weights are kept, not those of the lowest loss, which fit the noise best.

    By the rule a small tile gets a network that blurs its detail away (15 channels for 128 x 128 px); `fast` takes 32
    at any size, which fit more of the picture, and in long fits of small tiles some of the noise.
    """

    name: ClassVar[str] = "deep_decoder"
    summary: ClassVar[str] = "a generator too small to hold the noise; needs no stopping"
    source: ClassVar[str] = "Heckel and Hand, ICLR 2019, arXiv 1810.03982"
    multiple: ClassVar[int] = 32
    reads_measurement: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"fast": {"width": 32, "steps": 1200}}

    steps: int = 1900
    rate: float = 0.01
    width: int = 0  # paper: 128 or 64, for 512 x 512 px; 0: as many as leave ten measured values to a weight
    withheld: float = 0.02  # paper: 0; share of the pixels kept from the fit, by which its risk is known

    @property
    def reach(self) -> None:
        """The whole tile: the normalisations see all of it."""
        return

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the whole tile per step."""
        width = self.width_for(pixels, channels)
        return 3.0 * deep_decoder.multiplications(width, channels, DOUBLINGS) * pixels * max(1, self.steps)

    def width_for(self, pixels: int, channels: int) -> int:
        """The field `width`, or by the rule from 4 to 128."""
        if self.width:
            return self.width
        room = pixels * channels / PIXELS_PER_WEIGHT
        return max(4, *(k for k in range(129) if deep_decoder.weights_of(k, channels, DOUBLINGS) <= room))

    def network(self, problem: Problem) -> nn.Module:
        """A decoder from a code of a few pixels a side to the image."""
        height, width = problem.y.shape[2:]
        return deep_decoder.DeepDecoder(
            self.width_for(height * width, problem.channels), problem.channels, self._doublings(problem)
        )

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """The code, shape (b, 1, width, h, w), and the range of the output."""
        height, width = problem.y.shape[2:]
        channels, down = self.width_for(height * width, problem.channels), 2 ** self._doublings(problem)
        sides = (-(-side // down) for side in image_sides(problem))
        code = CODE * draw.uniform(1, channels, *sides).to(problem.y)
        return {"code": code, **measured_range(problem)}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Mean squared misfit."""
        del step
        return misfit(problem, self.estimate(nets, inputs, problem, draw))

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """The image of the code, cut where the code covers more than the image."""
        del draw
        height, width = image_sides(problem)
        return in_range(nets(inputs["code"])[:, 0, :, :height, :width], inputs)

    def _doublings(self, problem: Problem) -> int:
        return scales_of(image_sides(problem), DOUBLINGS, SMALLEST)
