"""The network of Zero-Shot Noise2Noise."""

from torch import Tensor, nn


class ThreeLayers(nn.Module):
    """conv3x3, LeakyReLU(0.2), conv3x3, LeakyReLU(0.2), conv1x1. Receptive radius 2 px; zero padding keeps the size.

    Args:
        channels: channels in and out.
        width: channels between (paper: 48; 21,313 weights for one channel, 22,275 for three).
        read: channels in, where they are not those out.
    """

    def __init__(self, channels: int, width: int = 48, read: int | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(read or channels, width, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, read, h, w) -> (n, c, h, w)."""
        return self.layers(x)
