"""A learned denoiser as a step of an iteration, whatever the degradation is."""

from abc import ABC
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from il_models.degradations import Blur, Degradation, Downsample, Subsample
from il_models.from_start import REACH, FromStart, denoised
from il_models.nets import Nets
from il_models.networks.denoiser import MULTIPLE
from il_models.views import in_strips, turned, undone

LEAST = 0.001  # of the range 0 to 1 of problem units: noise below this counts as so much; DPIR: 0.255 / 255
SHIFTS = ((0, 0), (1, 0), (0, 1), (1, 1))  # px by which the network's grid of cells moves


@dataclass(frozen=True, kw_only=True)
class DenoiserInTurn(FromStart, ABC):
    """A method that holds its image to the measurement and cleans it by the start's network, in turn, so many times.

    steps: of adapting the denoiser to the measurement beforehand; 0 takes the start as it is.
    """

    serves: ClassVar[tuple[type[Degradation], ...]] = (Blur, Downsample, Subsample)

    steps: int = 0
    rate: float = 1e-5
    iterations: int

    @property
    def reach(self) -> None:
        """The whole tile: what one iteration does to a pixel the next ones carry on."""
        return

    @property
    def can_share(self) -> bool:
        """No: see `on_input`."""
        return False

    def work(self, pixels: int, channels: int) -> float:
        """A forward pass and some dozens of applications of A per iteration."""
        return self.iterations * (super().work(pixels, channels) + 1e4 * pixels * channels)

    def on_input(self) -> NoReturn:
        """The networks of a start are not adapted to an input as a whole, for it is blurred."""
        raise NotImplementedError(f"{self.name} adapts no network to a whole, blurred input; use scope: tile.")


def looks() -> Iterator[tuple[int, tuple[int, int]]]:
    """How the denoiser sees the image at each step of an iteration: one of eight turns and of four shifts, in a cycle.

    A small denoiser that sees it always the same way adds the same small error at every step, and the iteration drifts
    away: Terris et al., "Equivariant plug-and-play image reconstruction", CVPR 2024, who draw the turn at random.
    """
    step = 0
    while True:
        yield step % 8, SHIFTS[step // 2 % 4]
        step += 1


def cleaned(
    nets: Nets, x: Float[Tensor, "b c h w"], sigma: Float[Tensor, "b 1 1 1"], look: tuple[int, tuple[int, int]]
) -> Float[Tensor, "b c h w"]:
    """x without white noise of standard deviation sigma, by each tile's network, plane by plane.

    Sides are filled up to what the network takes by repeating the border.
    """
    view, (down, across) = look
    z = turned(x / sigma, view)
    height, width = z.shape[-2:]
    below, right = -(height + down) % MULTIPLE, -(width + across) % MULTIPLE
    z = functional.pad(z, (across, right, down, below), mode="replicate")
    white = z.new_zeros(len(z), 2)
    z = in_strips(lambda part: denoised(nets, part, white), z, REACH, MULTIPLE)
    return undone(z[..., down : down + height, across : across + width], view) * sigma
