"""How rough an image is around some of its pixels: what can be guessed there, and what cannot."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

SIDE = 5  # px of the windows whose variance is taken
NEAR = 8  # px from the pixels in question
FEWEST = 6  # known pixels of a window that tell a variance
BARE = 1.5e-5  # variance of one grey level of 256, in problem units: what is smoother is alike


def roughness(
    y: Float[Tensor, "b c h w"],
    known: Bool[Tensor, "b 1 h w"],
    around: Bool[Tensor, "b 1 h w"],
    noise: Float[Tensor, " b"],
) -> Float[Tensor, " b"]:
    """Mean variance of the image in small windows near some pixels, in the units of y squared; at least BARE.

    Only known pixels are looked at. What noise adds is taken off, down to a tenth of it.

    Args:
        known: pixels with a value. around: those in question. noise: variance of each tile's noise.
    """
    seen = known.to(y.dtype)
    values = y.where(known, y.new_zeros(()))
    count = SIDE**2 * functional.avg_pool2d(seen, SIDE, 1, SIDE // 2)
    total, squares = (SIDE**2 * functional.avg_pool2d(each, SIDE, 1, SIDE // 2) for each in (values, values**2))
    variance = (squares - total**2 / count.clamp(min=1)) / (count - 1).clamp(min=1)
    rim = functional.max_pool2d(around.to(y.dtype), 2 * NEAR + 1, 1, NEAR) * seen * (count >= FEWEST)
    weight = rim.expand_as(variance).flatten(1)
    mean = (variance.flatten(1) * weight).sum(1) / weight.sum(1).clamp(min=1)
    return (mean - noise).maximum(0.1 * noise).clamp(min=BARE)
