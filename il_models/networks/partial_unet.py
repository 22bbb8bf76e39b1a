"""The network of Self2Self: an encoder of partial convolutions, a decoder with dropout."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, leaky_relu, max_pool2d

SLOPE = 0.1  # of LeakyReLU


class PartialConvolution(nn.Module):
    """A 3x3 convolution that sees known values only and is scaled up for those it misses.

    Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", ECCV 2018, eq. 1 and 2. What lies
    outside the picture is not known either. Where a window holds nothing known, the output is 0 and is not known.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.kaiming_normal_(self.weight, SLOPE)

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """(n, c, h, w) and 1 where known, 0 elsewhere, (n, c or 1, h, w) -> (n, width, h, w) and (n, 1, h, w)."""
        share = avg_pool2d(known.mean(-3, keepdim=True), 3, 1, 1)
        seen = (share > 0).to(x.dtype)
        scale = seen / share.clamp(min=1e-6)
        y = conv2d(x * known, self.weight, padding=1) * scale + self.bias.reshape(-1, 1, 1) * seen
        return y, seen


class PartialUNet(nn.Module):
    """Predicts a picture from some of its values. Quan et al., CVPR 2020, section 3.2.

    Encoder: two partial convolutions, then per level a maximum over 2x2 and one partial convolution. Decoder, per level
    from below: doubled pixels, joined with the encoder's level (at the top with the known input), two convolutions; a
    last one gives the picture. Before each convolution of the decoder comes a dropout, whose choices are inputs.
    Any size will do: an odd side is rounded up by each maximum, and what doubling adds is cut off. The last layer is
    linear, for values may lie outside 0 ... 1 (paper: a sigmoid), and begins at 0: eleven dropouts in a row would make
    the first outputs many times as large as a picture.

    Args:
        channels: in and out.
        width: of the encoder (paper: 48). decoder: of the decoder's levels but the top one (paper: 96).
        head: of the two layers before the last (paper: 64 and 32).
        pools: how often the size is halved, 1 or more (paper: 5).
        dropout: share of values that `kept` leaves out (paper: 0.3), which the others make up for.
    """

    def __init__(
        self, channels: int, width: int, decoder: int, head: tuple[int, int], pools: int, dropout: float
    ) -> None:
        super().__init__()
        self.scale = 1 / (1 - dropout)
        self.encoder = nn.ModuleList(
            [PartialConvolution(inside, width) for inside in (channels, *[width] * (pools + 1))]
        )
        layers = [_convolution(*widths) for widths in _widths(channels, width, decoder, head, pools)]
        nn.init.zeros_(layers[-1].weight)
        self.decoder = nn.ModuleList(layers)

    def forward(self, x: Tensor, known: Tensor, *kept: Tensor) -> Tensor:
        """(n, c, h, w), which of it is known, and what each dropout keeps, sizes of `kept_shapes` -> (n, c, h, w)."""
        first, second, *levels = self.encoder
        seen = known.to(x.dtype)
        skips = [x * seen]
        y, seen = first(x, seen)
        y, seen = second(leaky_relu(y, SLOPE), seen)
        for layer in levels:
            y, seen = (max_pool2d(each, 2, ceil_mode=True) for each in (leaky_relu(y, SLOPE), seen))
            skips.append(y)
            y, seen = layer(y, seen)
        *upper, _ = skips
        y = leaky_relu(y, SLOPE)
        *pairs, last = zip(self.decoder, kept, strict=True)
        for place, (layer, keep) in enumerate(pairs):
            y = y if place % 2 else _joined(y, upper.pop())
            y = leaky_relu(layer(self._dropped(y, keep)), SLOPE)
        return last[0](self._dropped(y, last[1]))

    def _dropped(self, y: Tensor, keep: Tensor) -> Tensor:
        return y * (keep.to(y.dtype) * self.scale)


def kept_shapes(
    size: tuple[int, int], channels: int, width: int, decoder: int, head: tuple[int, int], pools: int
) -> list[tuple[int, int, int]]:
    """The sizes (c, h, w) of what a PartialUNet drops out of, layer by layer, for pictures of a size."""
    sizes = [size]
    for _ in range(pools - 1):
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    levels = [each for each in reversed(sizes) for _ in range(2)] + [size]
    inputs = [inside for inside, _ in _widths(channels, width, decoder, head, pools)]
    return [(inside, *each) for inside, each in zip(inputs, levels, strict=True)]


def _widths(channels: int, width: int, decoder: int, head: tuple[int, int], pools: int) -> list[tuple[int, int]]:
    """Channels in and out of the decoder's convolutions."""
    below = [width, *[decoder] * (pools - 1)]
    levels = [(inside + width, decoder) for inside in below[:-1]]
    pairs = [pair for level in levels for pair in (level, (decoder, decoder))]
    return [*pairs, *pairwise((below[-1] + channels, *head, channels))]


def _convolution(channels: int, width: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, width, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _joined(below: Tensor, skip: Tensor) -> Tensor:
    """Doubled pixels, cut to the size of the level above, and that level."""
    height, width = skip.shape[-2:]
    return torch.cat([interpolate(below, scale_factor=2, mode="nearest")[..., :height, :width], skip], -3)
