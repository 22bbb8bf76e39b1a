"""The network of Deep Random Projector: its convolutions stay random, its input is learned."""

import torch
from torch import Tensor, nn

from il_models.networks.hourglass import Hourglass


class RandomProjector(nn.Module):
    """An hourglass of frozen random convolutions, and what is added to its input.

    With one scale of 64 channels, skips of 4 and 3 inputs 656 of its 82,849 weights learn, those of the
    normalisations, beside 3 h w numbers of the input. Li, Wang, Zhuang and Sun, CVPR 2023.

    Args:
        inputs, outputs: channels.
        sides: height and width of the image.
        widths, skip: of the hourglass.
    """

    def __init__(
        self, inputs: int, outputs: int, sides: tuple[int, ...], widths: tuple[int, ...] = (64,), skip: int = 4
    ) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros(inputs, *sides))
        self.body = Hourglass(inputs, outputs, widths, skip, frozen=True)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h, w)."""
        x = nn.functional.instance_norm(x + self.change)
        return self.body(x)
