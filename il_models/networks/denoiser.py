"""The shared denoiser: one network for every intensity, level and colour of noise."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Size = Literal["lite", "small", "base"]
WIDTHS: dict[Size, tuple[int, int, int]] = {"lite": (12, 20, 28), "small": (32, 48, 64), "base": (80, 144, 224)}
MULTIPLE = 8  # px: half, quarter and eighth resolution
MAPS = 3  # level of the noise, and that times its correlation along y and along x


class GainConv(nn.Module):
    """A convolution without bias and with a gain for each output channel, 1 at first."""

    def __init__(self, i: int, o: int, side: int = 3, stride: int = 1, up: bool = False) -> None:
        super().__init__()
        layer = nn.ConvTranspose2d(i, o, side, stride, bias=False) if up else nn.Conv2d(i, o, side, bias=False)
        self.weight = layer.weight
        self.gain = nn.Parameter(torch.ones(o))
        self.stride, self.grows = stride, up
        self.register_parameter("down", None)
        self.register_parameter("up", None)
        self.down: nn.Parameter | None
        self.up: nn.Parameter | None

    def adapt(self, rank: int) -> None:
        """Get a low-rank adapter that changes nothing yet: `down` onto so many channels, and `up`, which mixes them."""
        first, second, *side = self.weight.shape
        i, o = (first, second) if self.grows else (second, first)
        self.down, self.up = nn.Parameter(torch.zeros(rank, i, *side)), nn.Parameter(torch.zeros(o, rank))

    def added(self, down: Tensor, up: Tensor) -> Tensor:
        """What an adapter adds to the kernel, in its layout."""
        return torch.einsum("rihw,or->iohw" if self.grows else "rihw,or->oihw", down, up)

    def forward(self, x: Tensor) -> Tensor:
        """(n, i, h, w) -> (n, o, h / stride, w / stride), times stride if up."""
        kernel = self.weight
        if self.down is not None and self.up is not None:
            kernel = kernel + self.added(self.down, self.up)
        if self.grows:
            return functional.conv_transpose2d(x, kernel * self.gain[:, None, None], stride=self.stride)
        padding = 0 if self.stride > 1 else self.weight.shape[-1] // 2
        return functional.conv2d(x, kernel * self.gain[:, None, None, None], stride=self.stride, padding=padding)


class Residual(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = GainConv(width, width), GainConv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        return x + self.two(functional.relu(self.one(x)))


class SharedDenoiser(nn.Module):
    """A residual U-Net behind a 2 x 2 pixel-unshuffle, one plane at a time, told the noise, without any bias.

    Without a bias all its parts are homogeneous, so that f(c y, c sigma) = c f(y, sigma) for c > 0: one set of weights
    serves 8 bit counts and reflectances (Mohan et al., "Robust and interpretable blind image denoising via bias-free
    convolutional neural networks", ICLR 2020). The layout is that of DRUNet (Zhang et al., "Plug-and-play image
    restoration with deep denoiser prior", IEEE TPAMI 2022) at half resolution. The gains are those of Mohan et al.,
    "Adaptive denoising via GainTuning", NeurIPS 2021.

    `level` is the logarithm of a factor on sigma. Pretraining leaves it at 0; an input whose noise is misjudged, or not
    of the kind that the network has seen, may have one of its own.

    Args:
        size: lite some 70 thousand weights, small 0.4 million, base 4 million.
    """

    def __init__(self, size: Size = "small") -> None:
        super().__init__()
        fine, middle, coarse = WIDTHS[size]
        self.head = GainConv(4 + MAPS, fine)
        self.down = nn.ModuleList([GainConv(fine, middle, 2, 2), GainConv(middle, coarse, 2, 2)])
        self.up = nn.ModuleList([GainConv(coarse, middle, 2, 2, up=True), GainConv(middle, fine, 2, 2, up=True)])
        self.falling = nn.ModuleList(nn.Sequential(Residual(w), Residual(w)) for w in (fine, middle))
        self.bottom = nn.Sequential(Residual(coarse), Residual(coarse))
        self.rising = nn.ModuleList(nn.Sequential(Residual(w), Residual(w)) for w in (middle, fine))
        self.tail = nn.Conv2d(fine, 4, 3, padding=1, bias=False)
        self.level = nn.Parameter(torch.zeros(()), requires_grad=False)

    def forward(
        self, y: Float[Tensor, "n 1 h w"], sigma: Float[Tensor, "n 1 h w"], correlation: Float[Tensor, "n 2"]
    ) -> Float[Tensor, "n 1 h w"]:
        """The image of each measurement.

        Args:
            y: sides are multiples of 8.
            sigma: standard deviation of the noise at each pixel, in the units of y.
            correlation: of neighbours along y and along x.
        """
        level = functional.avg_pool2d(sigma, 2) * self.level.exp()
        colour = level * correlation[:, :, None, None]
        x = self.head(torch.cat([functional.pixel_unshuffle(y, 2), level, colour], 1))
        passed = []
        for blocks, down in zip(self.falling, self.down, strict=True):
            x = blocks(x)
            passed.append(x)
            x = down(x)
        x = self.bottom(x)
        for up, blocks in zip(self.up, self.rising, strict=True):
            x = blocks(up(x) + passed.pop())
        return y - functional.pixel_shuffle(self.tail(x), 2)
