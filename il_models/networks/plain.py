"""A stack of convolutions without pooling, normalisation or skips."""

from torch import Tensor, nn


class PlainStack(nn.Module):
    """`depth` times conv3x3 and ReLU, then conv1x1. Receptive radius `depth` px; zero padding keeps the size.

    Args:
        channels: channels in and out.
        width, depth: channels between, and 3x3 layers (64 and 8: 259,201 weights for one channel).
    """

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for layer in range(depth):
            layers += [nn.Conv2d(width if layer else channels, width, 3, padding=1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        return self.layers(x)
