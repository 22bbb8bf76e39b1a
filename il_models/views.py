"""How a local network is applied to tiles of any size: in strips of rows, and averaged over flips and turns."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

STRIP = 2**19  # pixels that go through the network at once, which bounds memory on whole inputs

Run = Callable[[Float[Tensor, "b c h w"]], Float[Tensor, "b d h w"]]


def turned(x: Shaped[Tensor, "b c h w"], view: int) -> Shaped[Tensor, "b c v u"]:
    """One of the eight flips and turns of a plane; view 0 is the plane."""
    x = x.flip(-1) if view & 1 else x
    x = x.flip(-2) if view & 2 else x
    return x.transpose(-1, -2).contiguous() if view & 4 else x


def undone(x: Float[Tensor, "b c v u"], view: int) -> Float[Tensor, "b c h w"]:
    """The inverse of `turned`."""
    x = x.transpose(-1, -2) if view & 4 else x
    x = x.flip(-2) if view & 2 else x
    return x.flip(-1) if view & 1 else x


def mean_over_views(
    run: Run, y: Float[Tensor, "b c h w"], views: int, halo: int, multiple: int = 1
) -> Float[Tensor, "b d h w"]:
    """The mean of what `run` makes of the first so many flips and turns of y, each in strips, each turned back."""
    seen = (undone(in_strips(run, turned(y, view), halo, multiple), view) for view in range(views))
    return sum(seen, torch.zeros((), dtype=y.dtype, device=y.device)) / views


def in_strips(
    run: Run, y: Float[Tensor, "b c h w"], halo: int, multiple: int = 1, strip: int = STRIP
) -> Float[Tensor, "b d h w"]:
    """`run`, which sees no farther than `halo` pixels, on strips of rows with so many rows of their neighbours.

    A network that pools wants strips that begin and end at multiples of its cells; y has such sides.

    Args:
        strip: about so many pixels at once.
    """
    height, width = y.shape[-2:]
    rows = max(1, strip // (width * multiple)) * multiple
    halo = -(-halo // multiple) * multiple
    pieces = []
    for top in range(0, height, rows):
        first = max(0, top - halo)
        piece = run(y[..., first : top + rows + halo, :])
        pieces.append(piece[..., top - first : top - first + rows, :])
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, -2)
