"""Two small networks in one module, of which the second sees what the first one made."""

from torch import Tensor, nn

from il_models.networks.three_layers import ThreeLayers


class TwoStages(nn.Module):
    """Which of the two a call runs, the number of its channels says. Each predicts noise.

    Args:
        channels: channels of the first network, in and out.
        width: channels between.
        planes: how many images of so many channels the second network reads. It begins by predicting nothing.
    """

    def __init__(self, channels: int, width: int, planes: int) -> None:
        super().__init__()
        self.channels = channels
        self.first = ThreeLayers(channels, width)
        self.second = ThreeLayers(channels, width, planes * channels)
        for weights in self.second.layers[-1].parameters():
            nn.init.zeros_(weights)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) by the first or (n, planes c, h, w) by the second -> (n, c, h, w)."""
        return self.first(x) if x.shape[1] == self.channels else self.second(x)
