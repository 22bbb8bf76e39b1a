"""The U-Net that the papers on noisy pairs use, for sides of any length."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class PooledUNet(nn.Module):
    """Max-pooling encoder of `width` channels, nearest-neighbour decoder of twice as many, skips of the pooled planes.

    Layout of Lehtinen et al., "Noise2Noise", ICML 2018, with the 1x1 head of Laine et al., NeurIPS 2019. A side that
    is odd at some level keeps its last row in a cell of its own on the way down, and the decoder cuts what is too much,
    so that every size is accepted, one pixel too.

    Args:
        channels: channels in and out.
        width, depth: channels of the encoder, and how often it halves (paper: 48 and 5).
    """

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.enter = _layer(channels, width)
        self.down = nn.ModuleList(_layer(width, width) for _ in range(depth))
        self.bottom = _layer(width, width)
        self.up = nn.ModuleList()
        for level in range(depth):
            below, skip = width if level == depth - 1 else 2 * width, width if level else channels
            self.up.append(nn.Sequential(_layer(below + skip, 2 * width), _layer(2 * width, 2 * width)))
        self.head = nn.Sequential(_layer(2 * width, 2 * width, 1), nn.Conv2d(2 * width, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        skips, planes = [], x
        for level, layer in enumerate(self.down):
            skips.append(planes)
            planes = functional.max_pool2d(layer(planes if level else self.enter(planes)), 2, ceil_mode=True)
        planes = self.bottom(planes)
        for skip, layer in zip(reversed(skips), reversed(self.up), strict=True):
            wider = functional.interpolate(planes, scale_factor=2.0)[..., : skip.shape[-2], : skip.shape[-1]]
            planes = layer(torch.cat([wider, skip], 1))
        return self.head(planes)

    @staticmethod
    def radius(depth: int) -> int:
        """How many pixels away an input pixel can change an output pixel."""
        return 5 * 2**depth - 3

    @staticmethod
    def multiplications(channels: int, width: int, depth: int) -> float:
        """Of one forward pass, per pixel."""
        total = 9 * width * (channels + width) + 4 * width**2 + 2 * width * channels + 9 * width**2 / 4**depth
        for level in range(depth):
            below, skip = width if level == depth - 1 else 2 * width, width if level else channels
            total += (9 * 2 * width * (below + skip + 2 * width) + (9 * width**2 if level else 0)) / 4**level
        return total


def _layer(wide: int, out: int, side: int = 3) -> nn.Module:
    return nn.Sequential(nn.Conv2d(wide, out, side, padding=side // 2), nn.LeakyReLU(0.1, inplace=True))
