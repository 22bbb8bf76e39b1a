"""A U-Net that makes no checkerboards, for networks that fill in what they were not shown."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

SLOPE = 0.1  # of LeakyReLU


class SmoothUNet(nn.Module):
    """Halves by means and doubles by bilinear interpolation, so that no pixel of a 2x2 cell is special.

    The changes that Höck et al., "N2V2", ECCV-W 2022 made to Noise2Void's U-Net: pooling that blurs, no skip at the
    top level unless `top_skip` asks for it, and no residual. Any size will do: an odd side is rounded up by each
    pooling, and what doubling adds is cut off. Without normalisation: it would tie the pixels of a tile together.

    Args:
        channels: in and out; one more comes in, 1 where a pixel is shown and 0 where not. Padding is not shown either.
        encoder, decoder: channels of each level, top first; the encoder has one level more, the bottom.
        top_skip: whether the decoder's top level sees the encoder's.
    """

    def __init__(
        self, channels: int, encoder: tuple[int, ...], decoder: tuple[int, ...], *, top_skip: bool = False
    ) -> None:
        super().__init__()
        self.top_skip = top_skip
        self.down = nn.ModuleList(_Pair(*widths) for widths in pairwise((channels + 1, *encoder)))
        below = (*decoder[1:], encoder[-1])
        inside = [
            under + (beside if level or top_skip else 0)
            for level, (under, beside) in enumerate(zip(below, encoder[:-1], strict=True))
        ]
        self.up = nn.ModuleList(_Pair(*widths) for widths in zip(inside, decoder, strict=True))
        self.last = nn.Conv2d(decoder[0], channels, 1)

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """(n, c, h, w) and (n, 1, h, w) -> (n, c, h, w)."""
        x, levels = torch.cat([x, shown.to(x.dtype)], 1), []
        for level, layer in enumerate(self.down):
            x = layer(avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) if level else x)
            levels.append(x)
        for level in reversed(range(len(self.up))):
            beside = levels[level]
            x = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = x[..., : beside.shape[-2], : beside.shape[-1]]
            x = self.up[level](torch.cat([x, beside], 1) if level or self.top_skip else x)
        return self.last(x)

    @staticmethod
    def radius(depth: int) -> int:
        """How many pixels away an input pixel can change an output pixel."""
        return 9 * 2**depth - 7

    @staticmethod
    def multiplications(channels: int, encoder: tuple[int, ...], decoder: tuple[int, ...], top_skip: bool) -> float:
        """Of one forward pass, per pixel; pooled levels count for the share of pixels that they have."""
        total = float(channels * decoder[0])
        for level, (wide, out) in enumerate(pairwise((channels + 1, *encoder))):
            total += 9 * (wide * out + out**2) / 4**level
        for level, (under, out) in enumerate(zip((*decoder[1:], encoder[-1]), decoder, strict=True)):
            beside = encoder[level] if level or top_skip else 0
            total += 9 * ((under + beside) * out + out**2) / 4**level
        return total


class _Pair(nn.Module):
    """Two 3x3 convolutions, each with a LeakyReLU."""

    def __init__(self, wide: int, out: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(wide, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, wide, h, w) -> (n, out, h, w)."""
        return leaky_relu(self.second(leaky_relu(self.first(x), SLOPE)), SLOPE)
