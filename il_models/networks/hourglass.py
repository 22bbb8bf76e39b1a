"""The hourglass of Deep Image Prior: down by strides, up by interpolation, thin skips between."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from il_models.networks.channel_norm import ChannelNorm


class Conv(nn.Conv2d):
    """A convolution that keeps the size, reflecting at the borders; `frozen`, its weights get no gradient."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1, *, frozen: bool = False) -> None:
        super().__init__(inputs, outputs, side, stride)
        self.border, self.frozen = side // 2, frozen

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, d, h / stride, w / stride), rounded up."""
        weight, bias = (self.weight.detach(), self.bias.detach()) if self.frozen else (self.weight, self.bias)  # type: ignore[union-attr]
        x = functional.pad(x, [self.border] * 4, mode="reflect") if self.border else x
        return functional.conv2d(x, weight, bias, self.stride)


class Hourglass(nn.Module):
    """Ulyanov, Vedaldi and Lempitsky, "Deep Image Prior", CVPR 2018, supplement. Linear output, any size of image.

    On the way down per scale: 3x3 with stride 2 and 3x3; on the way up bilinear doubling, the skip (a 1x1 convolution
    of what went down) beside it, their normalisation, 3x3 and 1x1. All but the last followed by normalisation and
    LeakyReLU(0.2). 2,217,573 weights for 32 inputs, 1 output and 5 scales of 128 with skips of 4.

    Args:
        inputs, outputs: channels.
        widths: channels of the scales, finest first; none: the last 1x1 convolution alone.
        skip: channels of a skip.
        frozen: the convolutions keep their random weights, only the normalisations learn.
    """

    def __init__(
        self, inputs: int, outputs: int, widths: Sequence[int], skip: int = 4, *, frozen: bool = False
    ) -> None:
        super().__init__()
        above = [inputs, *widths]  # what comes down to each scale
        below = [*widths[1:], *widths[-1:]]  # what comes up to it

        def block(i: int, o: int, side: int, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(
                Conv(i, o, side, stride, frozen=frozen), ChannelNorm(o), nn.LeakyReLU(0.2, inplace=True)
            )

        self.skips = nn.ModuleList(block(above[i], skip, 1) for i in range(len(widths)))
        self.down = nn.ModuleList(nn.Sequential(block(above[i], w, 3, 2), block(w, w, 3)) for i, w in enumerate(widths))
        self.up = nn.ModuleList(
            nn.Sequential(ChannelNorm(skip + below[i]), block(skip + below[i], w, 3), block(w, w, 1))
            for i, w in enumerate(widths)
        )
        self.last = Conv(widths[0] if widths else inputs, outputs, 1, frozen=frozen)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h, w)."""
        skipped = []
        for skip, down in zip(self.skips, self.down, strict=True):
            skipped.append(skip(x))
            x = down(x)
        for beside, up in zip(reversed(skipped), reversed(list(self.up)), strict=True):
            doubled = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = up(torch.cat([beside, doubled[..., : beside.shape[-2], : beside.shape[-1]]], 1))
        return self.last(x)


def scales_of(sides: Sequence[int], most: int, smallest: int = 2) -> int:
    """How often an image of these sides can be halved, at most so often, and keep `smallest` pixels on each side."""
    scales = 0
    while scales < most and -(-min(sides) // 2 ** (scales + 1)) >= smallest:
        scales += 1
    return scales


def multiplications(inputs: int, outputs: int, widths: Sequence[int], skip: int = 4) -> float:
    """Multiply-adds of one hourglass per pixel of the image."""
    above, below = [inputs, *widths], [*widths[1:], *widths[-1:]]
    total = float((widths[0] if widths else inputs) * outputs)
    for i, w in enumerate(widths):
        down = (9 * above[i] * w + 9 * w * w) / 4
        up = 9 * (skip + below[i]) * w + w * w
        total += (down + up + above[i] * skip) / 4**i
    return total
