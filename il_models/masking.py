"""Blind spots: what is hidden from a network, what it sees in its place, and the guesses it then makes."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from il_models.nets import Nets
from il_models.views import in_strips

LEVEL = 0.5  # the middle of the problem's range, so that the zeros around a tile are nothing special
WINDOW = 7  # px, side of the neighbourhood whose mean takes a hidden pixel's place
WHITE = 0.1  # a correlation below this is taken for none, for it was estimated
ALIKE = 0.05  # below this correlation a pixel's noise no longer helps to guess another's

Hide = Callable[[int], tuple[Bool[Tensor, "b 1 h w"], Bool[Tensor, "b 1 h w"]]]


def span(correlation: Float[Tensor, "b 2"], longest: int) -> Int[Tensor, "b 2"]:
    """How many pixels away along y and along x a tile's noise still tells of a pixel's noise; 0 for white noise.

    Neighbours correlated by r mean r^(d^2) at distance d, as after a Gaussian blur or an interpolation.
    """
    r = correlation.abs().clamp(1e-6, 0.999)
    reach = torch.sqrt(math.log(ALIKE) / torch.log(r)).ceil() - 1
    return torch.where(r < WHITE, torch.zeros_like(reach), reach.clamp(1, longest)).long()


def widened(hidden: Bool[Tensor, "b 1 h w"], by: Int[Tensor, "b 2"], longest: int) -> Bool[Tensor, "b 1 h w"]:
    """True within so many rows and columns of a True, as many as each tile has it, `longest` at most."""
    offsets = torch.arange(-longest, longest + 1, device=by.device).abs()
    rows, columns = (offsets <= each[:, None] for each in by.unbind(1))
    box = (rows[:, :, None] & columns[:, None, :])[:, None].float()
    count = conv2d(hidden.float().transpose(0, 1), box, padding=longest, groups=len(by))
    return count.transpose(0, 1) > 0.5


def filled(y: Float[Tensor, "b c h w"], shown: Bool[Tensor, "b 1 h w"]) -> Float[Tensor, "b c h w"]:
    """y less LEVEL, where a hidden pixel is the mean of those shown around it, or 0 where none is."""
    centred = torch.where(shown, y - LEVEL, torch.zeros_like(y))
    share = avg_pool2d(shown.to(y.dtype), WINDOW, 1, WINDOW // 2)
    around = avg_pool2d(centred, WINDOW, 1, WINDOW // 2) / share.clamp(min=0.5 / WINDOW**2)
    return torch.where(shown, centred, around)


def guessed(nets: Nets, y: Float[Tensor, "m c h w"], shown: Bool[Tensor, "m 1 h w"]) -> Float[Tensor, "m c h w"]:
    """What b networks make of the pixels shown in m / b pictures each: a hidden pixel's own value has no part in it."""
    each = (nets.b, -1)
    return nets(filled(y, shown).unflatten(0, each), shown.to(y.dtype).unflatten(0, each)).flatten(0, 1) + LEVEL


def mean_guess(
    nets: Nets, y: Float[Tensor, "b c h w"], hide: Hide, passes: int, halo: int, multiple: int
) -> Float[Tensor, "b c h w"]:
    """Mean over passes of what the networks guess of each pixel while it is a target, else of all they make of it.

    Args:
        nets, y: networks, and what they are shown parts of.
        hide: of a pass's number, which pixels are shown and which are targets.
        passes: how many.
        halo, multiple: how far a network sees, and the side of its largest cell, for `in_strips`.
    """
    guesses, every = torch.zeros_like(y), torch.zeros_like(y)
    times = torch.zeros_like(y[:, :1])
    for number in range(passes):
        shown, targets = hide(number)
        both = torch.cat([y, shown.to(y.dtype)], 1)
        guess = in_strips(lambda z: guessed(nets, z[:, :-1], z[:, -1:] > 0.5), both, halo, multiple)
        every = every + guess / passes
        guesses = guesses + torch.where(targets, guess, torch.zeros_like(guess))
        times = times + targets
    return torch.where(times > 0, guesses / times.clamp(min=1), every)
