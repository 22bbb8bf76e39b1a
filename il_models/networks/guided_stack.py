"""The network of guided super-resolution: convolutions that correct enlarged bands by what finer ones show."""

import math

import torch
from torch import Tensor, nn


class GuidedStack(nn.Module):
    """`depth` times conv3x3, ReLU between, plus the first `bands` of its channels. Receptive radius `depth` px.

    Begins as nearly nothing, by He's rule with a last layer of a tenth of it.

    Args:
        bands: channels out, and the first of those in.
        channels: channels in.
        width, depth: channels between, and layers.
    """

    def __init__(self, bands: int, channels: int, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        self.bands = bands
        sides = [channels, *[width] * (depth - 1), bands]
        self.layers = nn.ModuleList(nn.Conv2d(sides[i], sides[i + 1], 3, padding=1) for i in range(depth))
        for place, layer in enumerate(self.layers):
            gain = 0.1 if place == depth - 1 else 1.0
            nn.init.normal_(layer.weight, std=gain * math.sqrt(2 / (9 * sides[place])))  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> (n, bands, h, w)."""
        y = x
        for layer in self.layers[:-1]:
            y = torch.relu(layer(y))
        return x[:, : self.bands] + self.layers[-1](y)
