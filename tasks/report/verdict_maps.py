"""Where the tiles of an input are to be trusted: a thumbnail of the restored image under the verdicts of its tiles."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.report.charts import Bar, strip
from tasks.report.pictures import OUTLINE, contrast, photograph, stretched, verdict_overlay
from tasks.report.published import PublishedImage, open_published
from tasks.report.tile_rows import SUSPECT, TileRows
from tasks.stores.place import Place

SIDE = 320  # px of a thumbnail
READABLE = 2e9  # pixels that may be read for all thumbnails of images without half-size copies: some 20 s
READABLE_AFAR = 2e8  # the same where they come through a network
_PLANE = ["t", "c", "z"]


@dataclass(frozen=True)
class VerdictMap:
    """One plane of an input, that with most bad tiles. counts: tiles of all planes by verdict code.

    picture, overlay: data URIs, or None. strip: verdicts along all planes, where there are several.
    """

    name: str
    counts: tuple[int, ...]
    size: str
    plane: str
    aspect: float  # width / height
    picture: str | None
    overlay: str
    strip: tuple[Bar, ...]
    notes: tuple[str, ...]

    @property
    def bad(self) -> int:
        """Suspect and failed tiles."""
        return sum(self.counts[SUSPECT:])


def worst_inputs(rows: TileRows) -> NDArray[np.int64]:
    """Numbers of the inputs, the largest share of bad tiles first, then the largest number of them, then by name."""
    judged, bad = rows.counts[:, 1:].sum(1), rows.counts[:, SUSPECT:].sum(1)
    return np.lexsort((rows.names, -bad, -bad / np.maximum(judged, 1)))


@dataclass(frozen=True)
class _Look:
    """How an image is read for its thumbnail. cost: pixels beyond what a thumbnail from half-size copies would take."""

    image: PublishedImage
    level: int
    step: int
    channels: tuple[int, ...]
    cost: float


def verdict_maps(rows: TileRows, out: Place, inputs: list[int]) -> list[VerdictMap]:
    """The maps of some inputs, by their numbers."""
    left, found = READABLE if out.local else READABLE_AFAR, []
    for number in inputs:
        image = open_published(out, rows.names[number])
        if image is None:
            found.append(_map(rows, number, None, "its image is not published"))
            continue
        looks = (_look(image, channels) for channels in (image.shown_channels, image.shown_channels[:1]))
        look = next((each for each in looks if each.cost <= left), None)
        left -= look.cost if look else 0
        found.append(_map(rows, number, look, "too large for a thumbnail without half-size copies"))
    return found


def _map(rows: TileRows, number: int, look: _Look | None, otherwise: str) -> VerdictMap:
    """The map of an input. otherwise: why there is no thumbnail, if there is none."""
    tiles = rows.columns[rows.inputs == number]
    codes = rows.codes[rows.inputs == number]
    planes = tiles.groupby(_PLANE, sort=True).ngroup().to_numpy()
    by_plane = np.bincount(planes * 4 + codes, minlength=4 * (planes.max() + 1)).reshape(-1, 4)
    chosen = _representative(by_plane)
    seen = tiles[planes == chosen]
    height, width = int((tiles["y0"] + tiles["h"]).max()), int((tiles["x0"] + tiles["w"]).max())
    factor = int(tiles["factor"].fillna(1).max())
    place = {axis: int(seen[axis].iloc[0]) for axis in _PLANE}
    picture, notes = (None, [otherwise]) if look is None else _thumbnail(look, place)
    return VerdictMap(
        name=rows.names[number],
        counts=tuple(int(n) for n in rows.counts[number]),
        size=f"{height * factor} × {width * factor} px" + (f" × {len(by_plane)} planes" if len(by_plane) > 1 else ""),
        plane=", ".join(f"{axis} = {place[axis]}" for axis in _PLANE if tiles[axis].nunique() > 1),
        aspect=width / height,
        picture=picture,
        overlay=verdict_overlay(_overlay(seen, codes[planes == chosen], height, width)),
        strip=strip(by_plane) if len(by_plane) > 1 else (),
        notes=tuple(notes),
    )


def _representative(by_plane: NDArray[np.int64]) -> int:
    """The plane with most bad tiles; the middle one where all are good."""
    bad = by_plane[:, SUSPECT:].sum(1)
    return int(bad.argmax()) if bad.any() else len(by_plane) // 2


def _look(image: PublishedImage, channels: tuple[int, ...]) -> _Look:
    """The smallest copy that is large enough, and how many of its pixels to leave out."""
    sides = [max(image.size("y"), image.size("x")) / 2**level for level in range(len(image.levels))]
    level = max((i for i, side in enumerate(sides) if side >= SIDE), default=0)
    step = max(1, math.floor(sides[level] / (2 * SIDE)))
    pixels = image.size("y") * image.size("x") * len(channels) / 4**level
    return _Look(image, level, step, channels, pixels if step > 1 else 0.0)


def _thumbnail(look: _Look, place: dict[str, int]) -> tuple[str, list[str]]:
    """A picture of a plane, and what is to be said of it."""
    image = look.image
    channels = look.channels if place["c"] < 0 or image.size("c") == 1 else (place["c"],)
    every = slice(None, None, look.step)
    pixels = image.window(place, channels, every, every, look.level)
    notes = []
    if len(channels) < image.size("c"):
        names = [image.channels[c] if c < len(image.channels) else str(c) for c in channels]
        notes.append(f"channel {', '.join(names)}")
    if clipped := sum(image.said.get("clipped", {}).values()):
        notes.append(f"{clipped:,} pixels were beyond what the stored type can hold, and clipped")
    return photograph(stretched(pixels, contrast(pixels)), SIDE), notes


def _overlay(tiles: pd.DataFrame, codes: NDArray[np.int8], height: int, width: int) -> NDArray[np.uint8]:
    """Verdict codes of a plane's tiles with their outlines, at the size of a thumbnail."""
    scale = SIDE / max(height, width)
    found = np.zeros((max(1, round(height * scale)), max(1, round(width * scale))), np.uint8)
    corners = tiles[["y0", "x0", "h", "w"]].to_numpy(np.float64)
    starts = np.rint(corners[:, :2] * scale).astype(int)
    stops = np.maximum(np.rint((corners[:, :2] + corners[:, 2:]) * scale).astype(int), starts + 1)
    for n in np.argsort(codes, kind="stable"):  # bad tiles last, for tiles can be smaller than a pixel of the thumbnail
        code, (y, x), (y_, x_) = codes[n], starts[n], stops[n]
        outlined = code >= SUSPECT and min(y_ - y, x_ - x) >= 8
        found[y:y_, x:x_] = code + OUTLINE if outlined else code
        if outlined:
            found[y + 2 : y_ - 2, x + 2 : x_ - 2] = code
    return found
