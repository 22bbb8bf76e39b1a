"""One random stream per tile, counted instead of carried: the same numbers in any batch, on any device, on any retry.

The bits are those of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014),
evaluated at a counter, so a stream has no state that a batch could share and none that a retry could lose.
"""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit number


def mix(bits: Tensor) -> Tensor:
    """The finaliser of SplitMix64 on int64 tensors, whose products wrap as the algorithm wants."""
    bits = (bits ^ _shift_right(bits, 30)) * -4658895280553007687
    bits = (bits ^ _shift_right(bits, 27)) * -7723592293110705685
    return bits ^ _shift_right(bits, 31)


def _shift_right(bits: Tensor, count: int) -> Tensor:
    return (bits >> count) & ((1 << (64 - count)) - 1)


class Draw:
    """b independent random streams, one per tile.

    Args:
        seeds: one 64-bit seed per tile, shape (b,). Two tiles with one seed draw the same numbers.
        calls: how many draws were made before; every draw moves all streams on by one.
    """

    def __init__(self, seeds: Int64[Tensor, " b"], calls: int = 0) -> None:
        self.seeds = seeds
        self.calls = calls

    def take(self, index: Tensor) -> "Draw":
        """The same streams, at the same place, for some of the tiles."""
        return Draw(self.seeds[index], self.calls)

    def uniform(self, *shape: int) -> Float[Tensor, "b ..."]:
        """Numbers of [0, 1) with 24 bits, shape (b, *shape)."""
        return _fraction(self._bits(shape))

    def normal(self, *shape: int) -> Float[Tensor, "b ..."]:
        """Standard normal numbers by Box and Muller, shape (b, *shape)."""
        bits = self._bits(shape)
        radius = torch.sqrt(-2 * torch.log1p(-_fraction(bits)))
        angle = 2 * math.pi * _fraction(mix(bits + GOLDEN))
        return radius * torch.cos(angle)

    def signs(self, *shape: int) -> Float[Tensor, "b ..."]:
        """Rademacher numbers, -1 or +1 with equal chance, shape (b, *shape)."""
        return (self._bits(shape) & 1).float() * 2 - 1

    def keep(self, chance: float, *shape: int) -> Bool[Tensor, "b ..."]:
        """True with the given chance, shape (b, *shape): the mask of a dropout."""
        return self.uniform(*shape) < chance

    def integers(self, high: int, *shape: int) -> Int64[Tensor, "b ..."]:
        """Whole numbers of 0 ... high - 1, shape (b, *shape); high is at most 2**24."""
        return (self.uniform(*shape) * high).long().clamp_(max=high - 1)

    def _bits(self, shape: tuple[int, ...]) -> Tensor:
        self.calls += 1
        key = mix(mix(self.seeds) + _wrapped(self.calls * GOLDEN))
        index = torch.arange(math.prod(shape), device=key.device)
        return mix(key[:, None] + index * GOLDEN).reshape(len(key), *shape)


def _wrapped(number: int) -> int:
    """As a signed 64-bit number, as a tensor's products wrap."""
    return (number + 2**63) % 2**64 - 2**63


def _fraction(bits: Tensor) -> Tensor:
    return _shift_right(bits, 40).float() * 2.0**-24
