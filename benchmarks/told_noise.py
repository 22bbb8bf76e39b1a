"""Noise that is told wrongly: how often does the input show it, and how often is right noise doubted?

    python -m benchmarks.told_noise [--write]

Four crops at random places of each picture of Set12 and BSD68, with Gaussian noise (sigma 10 of 255) or counted photons
(60 or 8 for white), told as it is or as so many times its standard deviation. Doubted: what the crop shows
(tasks/noise_seen.py) is less than 0.8 of what it was told. Texture passes for noise, so that noise of a textured crop
that is told too high stays unseen.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.images import classic
from benchmarks.table import write_table
from tasks.noise_seen import noise_shown
from tasks.plan import ChannelNoise
from tasks.tolerance import TOLERANCE

SIDES = (48, 64, 96, 128, 256)
TIMES = (1.0, 1.25, 1.5, 2.0)  # what is told, over what is there
CROPS = 4  # of each picture
PHOTONS = {"gaussian": 0, "60 photons": 60, "8 photons": 8}


def crops(side: int) -> Iterator[NDArray[np.float64]]:
    """Of 0 to 1."""
    random = np.random.default_rng(side)
    pictures = [image[0].double().numpy() for name in ("set12", "bsd68") for image in classic(name).values()]
    for picture in pictures * CROPS:
        if min(picture.shape) >= side:
            top, left = (int(random.integers(length - side + 1)) for length in picture.shape)
            yield picture[top : top + side, left : left + side]


def shown(side: int, kind: str) -> NDArray[np.float64]:
    """What each crop shows of the noise that is there, as a ratio; NaN where nothing can be said."""
    random, photons, found = np.random.default_rng(0), PHOTONS[kind], []
    for crop in crops(side):
        y = random.poisson(photons * crop) if photons else random.normal(255 * crop, 10)
        told = ChannelNoise(1.0, 0.0) if photons else ChannelNoise(0.0, 100.0)
        raw = y.astype(np.float32)[None]
        found.append(noise_shown(raw, np.ones(raw.shape, bool), told) or np.nan)
    return np.array(found)


def main() -> None:
    """Look, and write benchmarks/results/told_noise.md."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--write", action="store_true", help="keep the table")
    given, rows = ask.parse_args(), []
    for side in SIDES:
        for kind in PHOTONS:
            seen = shown(side, kind)
            known = seen[np.isfinite(seen)]
            doubted = [f"{np.mean(known / times < TOLERANCE.noise_shown):.1%}" for times in TIMES]
            rows.append([f"{side} x {side}", kind, len(known), len(seen) - len(known), float(known.min()), *doubted])
    heads = [
        "pixels",
        "noise",
        "crops",
        "unknown",
        "least shown",
        "doubted: right",
        *(f"told x {t:g}" for t in TIMES[1:]),
    ]
    about = " ".join((__doc__ or "").split("\n\n")[2].split())
    write_table("told_noise" if given.write else "", "Noise that is told", [(about, heads, rows)])


if __name__ == "__main__":
    main()
