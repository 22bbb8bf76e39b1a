"""Which pixels of a tile have surroundings that look alike: the bank that non-local methods draw from."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Int64, Shaped
from torch import Tensor
from torch.nn.functional import pad

PLACES = 11  # bits of a key that say which displacement it belongs to
LARGEST = 22  # radius whose 45 x 45 displacements fit into them
CACHED = 2**15  # pixels of tiles that are searched together on a CPU, whose cache holds them
NONE = torch.iinfo(torch.int32).max >> PLACES  # the distance, without those bits, of a place where nothing was found


class Similar(NamedTuple):
    """Similar pixels of each pixel, the nearest first.

    place: where they are, numbered through the tile; the pixel itself where there was none.
    known: whether there was one: a tile may be too small, or too little of it measured.
    distance: mean squared difference of the patches.
    """

    place: Int64[Tensor, "b n h w"]
    known: Bool[Tensor, "b n h w"]
    distance: Float[Tensor, "b n h w"]


def similar_pixels(
    y: Float[Tensor, "b c h w"],
    mask: Bool[Tensor, "b 1 h w"],
    count: int,
    *,
    radius: int,
    patch: int,
    centre: bool = True,
) -> Similar:
    """For every pixel the `count` others in its window whose patches look most like its own, the nearest first.

    Args:
        y: tiles; the channels count alike, so they should come in units of their noise.
        mask: what was measured. Other pixels are never found and take no part in a distance.
        count: how many pixels to find.
        radius: half the side of the window, at most 22.
        patch: odd side of the square of pixels that is compared, by its mean squared difference.
        centre: whether the square's centre is compared, too. If so, what is found has noise like the pixel's own.

    Each displacement is measured once, for both pixels that it joins. The nearest so far are kept as whole numbers, the
    distance in the upper bits (12 of its mantissa) and the displacement in the lower, so that sorting takes nothing but
    minima and maxima: on a CPU 1 s for 256 x 256 pixels, 7 found and radius 20. Memory per pixel: 4 (count + 4 c + 8)
    bytes while it searches, 13 count bytes when it returns.
    """
    if not 0 < radius <= LARGEST:
        raise ValueError(f"radius = {radius}: a window reaches 1 to {LARGEST} pixels.")
    together = len(y) if y.is_cuda else max(1, CACHED // y[0, 0].numel())
    parts = list(zip(y.split(together), mask.split(together), strict=True))
    found = [_nearest(tile, kept, count, radius, patch, centre) for tile, kept in parts]
    return Similar(*(torch.cat(each) for each in zip(*found, strict=True)))


def values_at(y: Float[Tensor, "b c h w"], place: Int64[Tensor, "b n h w"]) -> Float[Tensor, "b n c h w"]:
    """The pixels at places of `similar_pixels`, all channels of each."""
    b, c = y.shape[:2]
    n = place.shape[1]
    index = place.flatten(1)[:, None].expand(-1, c, -1)
    return y.flatten(2).gather(2, index).reshape(b, c, n, *y.shape[2:]).movedim(2, 1)


def _nearest(y: Tensor, mask: Tensor, count: int, radius: int, patch: int, centre: bool) -> Similar:
    b, _, h, w = y.shape
    y = torch.where(mask, y, 0).float()
    best = torch.full((count, b, h, w), torch.iinfo(torch.int32).max, dtype=torch.int32, device=y.device)
    side = 2 * radius + 1
    for down in range(min(radius, h - 1) + 1):
        for across in range(-min(radius, w - 1), min(radius, w - 1) + 1):
            if (down, across) <= (0, 0):
                continue
            here = (..., slice(0, h - down), slice(max(0, -across), w - max(0, across)))
            there = (..., slice(down, h), slice(max(0, across), w + min(0, across)))
            key = _distance(y[here], y[there], mask[here] & mask[there], patch, centre)
            _insert(best[:, *here], key | ((radius + down) * side + radius + across))
            _insert(best[:, *there], key | ((radius - down) * side + radius - across))
    which = best & ((1 << PLACES) - 1)
    known = best >> PLACES < NONE
    own = torch.arange(h * w, device=y.device).reshape(h, w)
    step = (which // side - radius) * w + which % side - radius
    distance = torch.where(known, (best >> PLACES << PLACES).view(torch.float32), torch.inf)
    place = own + torch.where(known, step, 0)
    return Similar(place.movedim(0, 1), known.movedim(0, 1), distance.movedim(0, 1))


def _distance(y: Tensor, other: Tensor, both: Tensor, patch: int, centre: bool) -> Int[Tensor, "b h w"]:
    """Mean squared difference of patches, as whole numbers that sort alike and whose lowest bits are 0."""
    each = torch.where(both, (y - other).square().mean(1, keepdim=True), 0)
    total, number = _box(each, patch), _box(both.float(), patch)
    if not centre:
        total, number = (total - each).clamp(min=0), number - both.float()
    mean = total / number.clamp(min=1)
    # The bits of a float that is not negative, read as a whole number, sort as the float does.
    return torch.where(both, mean.contiguous().view(torch.int32) >> PLACES, NONE)[:, 0] << PLACES


def _box(x: Shaped[Tensor, "b 1 h w"], side: int) -> Shaped[Tensor, "b 1 h w"]:
    """Sums over squares, of what lies inside the tile."""
    half = side // 2
    for axis, margins in ((-1, (half, half)), (-2, (0, 0, half, half))):
        padded, length = pad(x, margins), x.shape[axis]
        x = padded.narrow(axis, 0, length)
        for k in range(1, side):
            x = x + padded.narrow(axis, k, length)
    return x


def _insert(best: Int[Tensor, "n b h w"], key: Int[Tensor, "b h w"]) -> None:
    """Into lists that are sorted and stay so."""
    for kept in best:
        larger = torch.maximum(kept, key)
        torch.minimum(kept, key, out=kept)
        key = larger
