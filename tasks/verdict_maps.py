"""Where the tiles of an input are to be trusted: a thumbnail of the restored image under the verdicts of its tiles."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.charts import Bar, strip
from tasks.pictures import OUTLINE, contrast, photograph, stretched, verdict_overlay
from tasks.place import Place
from tasks.published import PublishedImage, open_published
from tasks.tile_rows import SUSPECT, TileRows

SIDE = 320  # px of a thumbnail
READABLE = 4e8  # pixels that may be read for all thumbnails of images without half-size copies
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


def verdict_maps(rows: TileRows, out: Place, inputs: list[int]) -> list[VerdictMap]:
    """The maps of some inputs, by their numbers."""
    left, found = READABLE, []
    for number in inputs:
        image = open_published(out, rows.names[number])
        level, step, cost = (0, 1, 0.0) if image is None else _resolution(image)
        affordable = cost <= left
        left -= cost if affordable else 0
        found.append(_map(rows, number, image if affordable else None, level, step, affordable))
    return found


def _map(
    rows: TileRows, number: int, image: PublishedImage | None, level: int, step: int, affordable: bool
) -> VerdictMap:
    tiles = rows.columns[rows.inputs == number]
    codes = rows.codes[rows.inputs == number]
    planes = tiles.groupby(_PLANE, sort=True).ngroup().to_numpy()
    by_plane = np.bincount(planes * 4 + codes, minlength=4 * (planes.max() + 1)).reshape(-1, 4)
    chosen = _representative(by_plane)
    seen = tiles[planes == chosen]
    height, width = int((tiles["y0"] + tiles["h"]).max()), int((tiles["x0"] + tiles["w"]).max())
    place = {axis: int(seen[axis].iloc[0]) for axis in _PLANE}
    notes, picture = [], None
    if image is not None:
        picture, shown = _thumbnail(image, place, level, step)
        notes += [shown] if shown else []
        clipped = sum(image.said.get("clipped", {}).values())
        notes += [f"{clipped:,} pixels were beyond what the stored type can hold, and clipped"] if clipped else []
    else:
        notes.append(
            "its image is not published" if affordable else "too large for a thumbnail without half-size copies"
        )
    return VerdictMap(
        name=rows.names[number],
        counts=tuple(int(n) for n in rows.counts[number]),
        size=f"{height} × {width} px" + (f" × {len(by_plane)} planes" if len(by_plane) > 1 else ""),
        plane=_plane(place, len(by_plane)),
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


def _resolution(image: PublishedImage) -> tuple[int, int, float]:
    """The level and step to read a thumbnail with, and the pixels that this decodes beyond what copies would cost."""
    sides = [max(image.size("y"), image.size("x")) / 2**level for level in range(len(image.levels))]
    level = max((i for i, side in enumerate(sides) if side >= SIDE), default=0)
    step = max(1, math.floor(sides[level] / (2 * SIDE)))
    pixels = image.size("y") * image.size("x") * len(image.shown_channels) / 4**level
    return level, step, pixels if step > 1 else 0.0


def _thumbnail(image: PublishedImage, place: dict[str, int], level: int, step: int) -> tuple[str, str]:
    """A picture of a plane, and what it shows where that is not all channels."""
    channels = image.shown_channels if place["c"] < 0 or image.size("c") == 1 else (place["c"],)
    every = slice(None, None, step)
    pixels = image.window(place, channels, every, every, level)
    names = [image.channels[c] if c < len(image.channels) else str(c) for c in channels]
    shown = f"shown: {', '.join(names)}" if len(channels) < image.size("c") else ""
    return photograph(stretched(pixels, contrast(pixels)), SIDE), shown


def _overlay(tiles: pd.DataFrame, codes: NDArray[np.int8], height: int, width: int) -> NDArray[np.uint8]:
    """Verdict codes of a plane's tiles with their outlines, at the size of a thumbnail."""
    scale = SIDE / max(height, width)
    found = np.zeros((max(1, round(height * scale)), max(1, round(width * scale))), np.uint8)
    corners = tiles[["y0", "x0", "h", "w"]].to_numpy(np.float64)
    starts = np.rint(corners[:, :2] * scale).astype(int)
    stops = np.maximum(np.rint((corners[:, :2] + corners[:, 2:]) * scale).astype(int), starts + 1)
    for code, (y, x), (y_, x_) in zip(codes, starts, stops, strict=True):
        outlined = code >= SUSPECT and min(y_ - y, x_ - x) >= 8
        found[y:y_, x:x_] = code + OUTLINE if outlined else code
        if outlined:
            found[y + 2 : y_ - 2, x + 2 : x_ - 2] = code
    return found


def _plane(place: dict[str, int], planes: int) -> str:
    if planes == 1:
        return ""
    return ", ".join(f"{axis} = {place[axis]}" for axis in _PLANE if place[axis] >= 0)
