"""Gaps that are laid over measured pixels: there it can be seen how well a filling guesses."""

import itertools
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used: a second of every process
from numpy.typing import NDArray

Pixels = NDArray[np.bool_]

STEPS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96)  # px by which gaps are moved to where something was measured
RIM = 2  # px of measured pixels that stay around the gaps, so that none becomes wider than it is
BLOCK = 32  # px, least side of the blocks, of which every third is hidden by the same move
DENSE = 0.2  # of a tile: where more is missing one block in three is hidden, so that enough is left to guess from
ALIKE = 0.3  # of its pixels: a move that hides more of what another one hides tells nothing new
SHALLOW = 0.7  # of a gap's own depth: a pixel that lies less deep than that is too easy to guess
DEEP = 8  # px: what is so far from all that was measured can hide things of which its surroundings show nothing
ENOUGH = 64  # px from which a rehearsal tells something


@dataclass(frozen=True)
class Rehearsal:
    """hidden: (h, w), measured pixels that a filling shall not see.

    weight: (h, w), how much a guess of each counts, 0 where it is not judged. Guesses deep in a gap are worse than at
        its rim, so that each depth counts as much as there are pixels to be filled of that depth.
    """

    hidden: Pixels
    weight: NDArray[np.float32]

    @property
    def judged(self) -> Pixels:
        """The pixels at which guesses are compared."""
        return self.weight > 0


def near(valid: Pixels, within: int) -> Pixels:
    """The pixels of a tile that were not measured, but lie so many pixels or less from one that was. (h, w)."""
    if valid.all() or not valid.any():
        return np.zeros_like(valid)
    return np.asarray(~valid & (scipy.ndimage.distance_transform_edt(~valid) <= within))


def deep(valid: Pixels, gap: Pixels) -> Pixels:
    """The filled pixels (h, w) that lie more than DEEP px from anything that was measured."""
    return np.asarray(gap & (scipy.ndimage.distance_transform_edt(~valid) > DEEP)) if gap.any() else np.zeros_like(gap)


def rehearsed(valid: Pixels, within: int) -> Rehearsal:
    """The tile's own gaps, moved to where there are none, by up to three moves in three sets of blocks.

    Scattered gaps, between which there is no room for a rim, go without one. Nothing is drawn at random: the same gaps
    are always rehearsed in the same places.

    Args:
        valid: (h, w), which pixels were measured.
        within: how far from a measured pixel gaps are filled.
    """
    nothing = Rehearsal(np.zeros_like(valid), np.zeros(valid.shape, np.float32))
    if valid.all() or not valid.any():
        return nothing
    depth = scipy.ndimage.distance_transform_edt(~valid)
    for rim in (RIM, 0):
        allowed = valid & ~(scipy.ndimage.binary_dilation(~valid, iterations=rim) if rim else ~valid)
        found = _laid(depth, allowed, within)
        if np.count_nonzero(found.judged) >= ENOUGH:
            return found
    return nothing


def _laid(depth: NDArray[np.float64], allowed: Pixels, within: int) -> Rehearsal:
    """Moved gaps over the pixels that may be hidden; depth: how deep in its gaps each pixel of the tile lies."""
    sets = _blocks(allowed.shape[0], allowed.shape[1], max(BLOCK, 4 * within))
    moves = _best(depth, allowed, within, 1 if np.mean(depth > 0) > DENSE else 3)
    hidden, wanted = np.zeros_like(allowed), np.zeros_like(depth)
    for number, move in enumerate(moves):
        moved = _moved(depth, *move)
        here = (moved > 0) & allowed & (sets == number)
        hidden |= here
        wanted[here] = moved[here]
    judged = hidden & (wanted <= within) & (_depth((depth > 0) | hidden) >= SHALLOW * wanted)
    return Rehearsal(hidden, _weights(np.where(judged, wanted, 0), np.where(depth <= within, depth, 0)))


def _weights(judged: NDArray[np.float64], gaps: NDArray[np.float64]) -> NDArray[np.float32]:
    """By the depth of judged pixels and of those to be filled, 0 elsewhere; nothing if most depths were not tried."""
    tried, wanted = (np.floor(np.log2(np.where(depth > 0, depth, 1))) for depth in (judged, gaps))
    weight, missed = np.zeros(judged.shape, np.float32), 0
    for octave in np.unique(wanted[gaps > 0]):
        here, there = (judged > 0) & (tried == octave), int(((gaps > 0) & (wanted == octave)).sum())
        missed += 0 if here.any() else there
        weight[here] = there / max(1, int(here.sum()))
    return weight if missed <= 0.5 * np.count_nonzero(gaps) else np.zeros_like(weight)


def _best(depth: NDArray[np.float64], allowed: Pixels, within: int, most: int) -> list[tuple[int, int]]:
    """Moves that hide most of what can be judged, none of them much the same as another."""
    laid = []
    for move in _moves():
        moved = _moved(depth, *move)
        laid.append((move, (moved > 0) & (moved <= within) & allowed))
    laid.sort(key=lambda each: -np.count_nonzero(each[1]))
    chosen: list[tuple[tuple[int, int], Pixels]] = []
    for move, hidden in laid:
        new = all(np.count_nonzero(hidden & other) <= ALIKE * np.count_nonzero(hidden) for _, other in chosen)
        if new and hidden.any() and len(chosen) < most:
            chosen.append((move, hidden))
    return [move for move, _ in chosen]


def _depth(gaps: Pixels) -> NDArray[np.float64]:
    return np.asarray(scipy.ndimage.distance_transform_edt(gaps)) if gaps.any() else np.zeros(gaps.shape)


def _moves() -> list[tuple[int, int]]:
    signed = sorted((*STEPS, *(-step for step in STEPS)), key=abs)
    straight = [move for step in signed for move in ((step, 0), (0, step))]
    return [*straight, *((one, other) for one, other in itertools.product(signed, signed) if abs(one) == abs(other))]


def _moved(depth: NDArray[np.float64], down: int, across: int) -> NDArray[np.float64]:
    height, width = depth.shape
    moved = np.zeros_like(depth)
    if abs(down) < height and abs(across) < width:
        source = depth[max(0, -down) : height - max(0, down), max(0, -across) : width - max(0, across)]
        moved[max(0, down) : height + min(0, down), max(0, across) : width + min(0, across)] = source
    return moved


def _blocks(height: int, width: int, side: int) -> NDArray[np.intp]:
    """Number of each pixel's set of blocks: 0, 1 or 2."""
    rows, columns = np.arange(height) // side, np.arange(width) // side
    return np.asarray((rows[:, None] + columns) % 3)
