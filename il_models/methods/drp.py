"""Deep Random Projector: random convolutions stay as they are; their input and the normalisations are fitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from il_models.draw import Draw
from il_models.fitting.held_out import HeldOut
from il_models.fitting.variance import VarianceMinimum
from il_models.method import Fitted
from il_models.nets import Nets
from il_models.networks.hourglass import multiplications, scales_of
from il_models.networks.projector import RandomProjector
from il_models.priors import image_sides, in_range, measured_range, misfit, total_variation
from il_models.problem import Problem
from il_models.stopper import Stopper

SPREAD = 0.1  # standard deviation of the input at the start
LOOK, WINDOW = 5, 20  # every so many steps an estimate is compared with so many before it (papers: each of 100 steps)
TINY = 1e-12  # added under the root, whose slope at 0 is infinite


@dataclass(frozen=True, kw_only=True)
class DeepRandomProjector(Fitted):
    """Li, Wang, Zhuang and Sun, "Deep Random Projector: Accelerated Deep Image Prior", CVPR 2023.

    Minimises sqrt(mean (A f(input) - y)^2) over the measured pixels plus `tv` times the total variation of the image.
    A tile is best after some fifty steps, and then learns its noise for hundreds, while its image changes ever less: so
    it is not stopped as in the paper, where the estimates change least (ES-WMV), but where pixels that were kept from
    the fit are foretold best. `fast` looks no further than 200 steps.
    """

    name: ClassVar[str] = "drp"
    summary: ClassVar[str] = "a fitted input of random convolutions, with total variation"
    source: ClassVar[str] = "Li, Wang, Zhuang and Sun, CVPR 2023"
    multiple: ClassVar[int] = 32
    reads_measurement: ClassVar[bool] = False
    assumes_white_noise: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"fast": {"steps": 200, "patience": 60}}

    steps: int = 5000
    rate: float = 0.1
    tv: float = 0.45  # weight of the total variation beside the root mean square; papers: 0.01 for holes
    widths: tuple[int, ...] = (64,)  # of the scales, finest first
    skip: int = 4
    code: int = 3  # channels of the input
    patience: int = 1000  # steps without a new minimum of the stopper that end a tile
    withheld: float = 0.02  # paper: 0; share of the pixels kept from the fit, by which it is stopped and its risk known

    @property
    def reach(self) -> None:
        """The whole tile: the normalisations see all of it."""
        return

    @property
    def stopper(self) -> Stopper:
        """Where withheld pixels are foretold best; where none are withheld as in the paper."""
        if self.withheld:
            return HeldOut(patience=self.patience, interval=LOOK, share=self.withheld)
        return VarianceMinimum(patience=self.patience, interval=LOOK, window=WINDOW)

    def work(self, pixels: int, channels: int) -> float:
        """Forward, and backward to the input alone, on the whole tile per step."""
        return 2.0 * multiplications(self.code, channels, self.widths, self.skip) * pixels * max(1, self.steps)

    def network(self, problem: Problem) -> nn.Module:
        """Frozen convolutions, learned normalisations and a learned addition to the input."""
        sides = image_sides(problem)
        widths = self.widths[: scales_of(sides, len(self.widths))]
        return RandomProjector(self.code, problem.channels, sides, widths, self.skip)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """The input at the start, shape (b, 1, code, h, w), and the range of the output."""
        start = SPREAD * draw.normal(1, self.code, *image_sides(problem)).to(problem.y)
        return {"start": start, **measured_range(problem)}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Root mean squared misfit plus total variation."""
        del step
        x = self.estimate(nets, inputs, problem, draw)
        return (misfit(problem, x) + TINY).sqrt() + self.tv * total_variation(problem, x)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """The image of the fitted input."""
        del problem, draw
        return in_range(nets(inputs["start"])[:, 0], inputs)
