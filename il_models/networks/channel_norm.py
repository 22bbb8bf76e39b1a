"""Normalisation of each channel over one network's own images."""

import torch
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    """Mean 0 and variance 1 over images and pixels, then a learned gain and offset per channel.

    What batch normalisation does while training, and nothing else: no running statistics, which would outlive their
    step. A map of one value becomes its offset.

    Args:
        channels: of the map.
        epsilon: added to the variance.
    """

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        if x.numel() == x.shape[1]:  # torch refuses to take the variance of one value
            return 0 * x * self.weight[:, None, None] + self.bias[:, None, None]
        return nn.functional.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.epsilon)
