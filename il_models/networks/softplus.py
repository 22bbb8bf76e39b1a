"""A smooth encoder and decoder, whose answer to noise can be differentiated twice."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from il_models.networks.channel_norm import ChannelNorm
from il_models.networks.hourglass import Conv


class SoftplusEncoderDecoder(nn.Module):
    """Down by strides with `narrow` channels, up by repetition with `wide` ones, Softplus throughout. Linear output.

    After Jo, Chun and Choi, "Rethinking Deep Image Prior for Denoising", ICCV 2021. Per scale down: 3x3 with stride 2
    and 3x3; a 3x3 at the bottom; up: doubling, what went down beside it, two 3x3; at full size the input beside it,
    3x3 with 2/3 and 3x3 with 1/3 of the wide channels, 1x1. All but the last followed by normalisation and Softplus.

    Args:
        channels: in and out.
        narrow, wide: channels (paper: 48, 96).
        scales: halvings (paper: 5).
    """

    def __init__(self, channels: int, narrow: int = 48, wide: int = 96, scales: int = 5) -> None:
        super().__init__()

        def block(i: int, o: int, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(Conv(i, o, 3, stride), ChannelNorm(o), nn.Softplus())

        above = [channels] + [narrow] * (scales - 1)
        self.down = nn.ModuleList(nn.Sequential(block(i, narrow, 2), block(narrow, narrow)) for i in above[:scales])
        self.bottom = block(narrow, wide) if scales else None
        self.up = nn.ModuleList(nn.Sequential(block(wide + narrow, wide), block(wide, wide)) for _ in above[1:])
        middle, thin = max(1, 2 * wide // 3), max(1, wide // 3)
        entering = wide + channels if scales else channels
        self.last = nn.Sequential(block(entering, middle), block(middle, thin), Conv(thin, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        passed = [x]
        for down in self.down:
            passed.append(down(passed[-1]))
        if self.bottom is None:
            return self.last(x)
        x = self.bottom(passed.pop())
        for up in [*self.up, self.last]:
            beside = passed.pop()
            doubled = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = up(torch.cat([doubled[..., : beside.shape[-2], : beside.shape[-1]], beside], 1))
        return x


def multiplications(channels: int, narrow: int = 48, wide: int = 96, scales: int = 5) -> float:
    """Multiply-adds of one such network per pixel."""
    total = 9.0 * ((wide + channels) * 2 * wide / 3 + 2 * wide * wide / 9) + wide * channels / 3
    for scale in range(1, scales + 1):
        entering = channels if scale == 1 else narrow
        up = 9 * ((wide + narrow) * wide + wide * wide) if scale < scales else 9 * narrow * wide
        total += (9 * (entering + narrow) * narrow + up) / 4**scale
    return total
