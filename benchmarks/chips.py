"""What do small images get, whose noise is found in few pixels, in all images together, or told? Through the pipeline.

    python -m benchmarks.chips [--keep FOLDER] [--write]

Chips are cut at random from photographs, one of 96 x 96 px from each of Set12 and BSD68 (grey), two of 64 x 64 px from
each of Kodak and Set14 (three bands), and counted in photons, 60 and 80 for white. They go through `selfmend restore`
with the default recipe: with `noise: estimate` (found), `noise: pooled`, and their noise in the catalogue (told);
references are used for the columns of true PSNR alone.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tifffile
import yaml

from benchmarks.images import classic
from benchmarks.table import write_table
from benchmarks.trust import CLEAR, ESTIMATES, VERDICTS, Tiles, estimated, judged, through_the_pipeline

KINDS = {"grey": (("set12", "bsd68"), 96, 1, 60), "bands": (("kodak", "set14"), 64, 2, 80)}
TOLD = {"kind": "camera", "gain": 1, "offset": 0}
NOISE: Mapping[str, object] = {"found": "estimate", "pooled": "pooled", "told": TOLD}


def cut(kind: str, folder: Path) -> None:
    """Write the chips of a kind, noisy and clean. kind: its sets of images, side, chips per image, photons of white."""
    sets, side, count, photons = KINDS[kind]
    random = np.random.default_rng(0)
    for what in ("noisy", "clean"):
        (folder / what).mkdir(parents=True, exist_ok=True)
    for image_set in sets:
        for name, image in classic(image_set).items():
            for number in range(count):
                top, left = (int(random.integers(0, length - side + 1)) for length in image.shape[-2:])
                clean = photons * image[:, top : top + side, left : left + side].double().numpy()
                file = f"{image_set}_{name}_{number}.tif"
                tifffile.imwrite(
                    folder / "noisy" / file, random.poisson(clean).astype(np.uint16), photometric="minisblack"
                )
                tifffile.imwrite(folder / "clean" / file, clean.astype(np.float32), photometric="minisblack")


def catalogue(folder: Path) -> Path:
    """Each kind of chips as a collection for each way to know its noise."""
    entries = {}
    for kind in KINDS:
        cut(kind, folder / kind)
        for how, noise in NOISE.items():
            entries[f"{kind}_{how}"] = {
                "title": f"Chips of photographs, {kind}, noise {how}",
                "source": str(folder / kind / "noisy" / "*.tif"),
                "axes": "cyx",
                "noise": noise,
                "reference": {"source": str(folder / kind / "clean" / "*.tif"), "match": "none"},
            }
    place = folder / "chips.yaml"
    place.write_text(yaml.safe_dump({"collections": entries}))
    return place


def write(found: Mapping[str, Tiles], keep: bool) -> None:
    """Both tables."""
    about = " ".join((__doc__ or "").split("\n\n")[2].split())
    write_table(
        "chips" if keep else "",
        "Small images",
        [
            (
                f"{about} PSNR in dB, peak: the input's scale; errors: estimated minus true.",
                ESTIMATES,
                [estimated(name, tiles) for name, tiles in found.items()],
            ),
            (
                f"Verdicts beside the truth: a tile is better or worse than its control by {CLEAR:g} dB, or alike.",
                VERDICTS,
                [row for name, tiles in found.items() for row in judged(name, tiles)],
            ),
        ],
    )


def main() -> None:
    """Restore, and write benchmarks/results/chips.md."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--keep", type=Path, help="folder of chips and results")
    ask.add_argument("--write", action="store_true", help="keep the table")
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        catalog = catalogue(folder)
        names = [f"{kind}_{how}" for kind in KINDS for how in NOISE]
        write({name: through_the_pipeline(name, catalog, "", folder) for name in names}, given.write)


if __name__ == "__main__":
    main()
