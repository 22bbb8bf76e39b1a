"""The network of Deep Decoder: nothing but mixtures of channels and interpolation."""

from torch import Tensor, nn
from torch.nn import functional

from il_models.networks.channel_norm import ChannelNorm


class DeepDecoder(nn.Module):
    """Per layer 1x1 convolution without offsets, bilinear doubling, ReLU, normalisation; a last one does not double.

    Heckel and Hand, "Deep Decoder", ICLR 2019. Linear output. 25,408 weights for 5 doublings, width 64 and 1 output.

    Args:
        width: channels of every layer.
        outputs: channels of the image.
        doublings: layers that double the sides.
    """

    def __init__(self, width: int, outputs: int, doublings: int = 5) -> None:
        super().__init__()
        self.doublings = doublings
        self.mixtures = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for _ in range(doublings + 1))
        self.norms = nn.ModuleList(ChannelNorm(width) for _ in range(doublings + 1))
        self.last = nn.Conv2d(width, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) -> (n, outputs, h 2^doublings, w 2^doublings)."""
        for layer, (mixture, norm) in enumerate(zip(self.mixtures, self.norms, strict=True)):
            x = mixture(x)
            if layer < self.doublings:
                x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = norm(functional.relu(x))
        return self.last(x)


def weights_of(width: int, outputs: int, doublings: int = 5) -> int:
    """How many numbers such a network has."""
    return (doublings + 1) * (width**2 + 2 * width) + width * outputs


def multiplications(width: int, outputs: int, doublings: int = 5) -> float:
    """Multiply-adds per pixel of the image."""
    return width * outputs + width**2 * (1 + sum(0.25**layer for layer in range(1, doublings + 1)))
