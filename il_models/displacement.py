"""By how much one image lies beside another: half a pixel of a wrong grid is seen here."""

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.resampling import cubic

EDGE = 4  # px of the border that are left out: what lies beyond it differs
ROUNDS = 10


def displacement(x: Float[Tensor, "b c h w"], reference: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2"]:
    """Shift of x against the reference per tile, in px along y and x: positive where x lies further down or right.

    Lucas and Kanade, "An iterative image registration technique", IJCAI 1981: the shift that explains the difference by
    the reference's slopes in the least squares, over all channels; repeated on the shifted reference. Good to some
    hundredths of a pixel for shifts below two. 0 where the reference has no slopes, NaN for images too small to tell.
    """
    if min(x.shape[-2:]) < 2 * EDGE + 3:
        return x.new_full((len(x), 2), torch.nan)
    found = x.new_zeros(len(x), 2)
    for _ in range(ROUNDS):
        moved = _moved(reference, found)
        down, across = (torch.gradient(moved, dim=axis)[0][..., EDGE:-EDGE, EDGE:-EDGE] for axis in (-2, -1))
        off = (moved - x)[..., EDGE:-EDGE, EDGE:-EDGE]
        a, b, c = (_sum(one * other) for one, other in ((down, down), (down, across), (across, across)))
        p, q = _sum(down * off), _sum(across * off)
        ridge = 1e-2 * (a + c) + 1e-20  # where all slopes point one way nothing is said of the other; else it but slows
        whole = (a + ridge) * (c + ridge) - b**2
        step = torch.stack([((c + ridge) * p - b * q) / whole, ((a + ridge) * q - b * p) / whole], -1)
        found = (found + step).clamp(-3, 3)
    return found


def _sum(values: Tensor) -> Float[Tensor, " b"]:
    return values.flatten(1).sum(1)


def _moved(x: Float[Tensor, "b c h w"], by: Float[Tensor, "b 2"]) -> Float[Tensor, "b c h w"]:
    """x moved down and right by so many px, by cubic interpolation; what comes from beyond the border is wrong."""
    down, across = (_weights(side, by[:, axis]) for axis, side in enumerate(x.shape[-2:]))
    return down[:, None] @ x @ across[:, None].mT


def _weights(side: int, by: Float[Tensor, " b"]) -> Float[Tensor, "b n n"]:
    place = torch.arange(side).to(by)
    return cubic(place[:, None] - by[:, None, None] - place)
