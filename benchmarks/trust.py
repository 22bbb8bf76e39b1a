"""Can the verdict be believed? Real captures through the whole pipeline, tile by tile beside their references.

    python -m benchmarks.trust [--recipe NAME] [--only GROUP ...] [--keep FOLDER] [--write]

Each capture goes blind through `selfmend restore` with the recipe as it ships; its reference is used for the columns of
true PSNR alone. The references hold noise of their own: that of FMD is the mean of 50 captures, that of W2S of 400, so
that a 50th and a 400th of the capture's noise is added to the estimated error; those of the others are one long
exposure each, whose noise is not known. Where the scene has moved in between, that counts as error of the restoration.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import yaml

from benchmarks.images import DATA
from benchmarks.table import write_table

CLEAR = 0.3  # dB that a tile must differ from its control to be truly better or worse
GROUPS = {
    "fmd": ("fmd", "none", "raw1.png", "gt.png", 50),
    "fmd_again": ("fmd", "none", "raw2.png", "gt.png", 50),
    "w2s": ("w2s", "affine", "avg1.tif", "avg400.tif", 400),
    "gigadb": ("gigadb", "affine", "low.png", "high.png", None),
    "nuclei16": ("nuclei16", "affine", "low_snr.tif", "high_snr.tif", None),
}  # folder, how captures and references compare, how their files end, and of how many captures a reference is the mean
ESTIMATES = ("collection", "tiles", "noisy", "control", "restored", "estimated", "mean error", "mean abs", "95 % below",
             "correlation")  # fmt: skip
VERDICTS = ("collection", "verdict", "tiles", "truly better than the control", "alike", "worse", "worst, dB")
COLUMNS = ("psnr_noisy", "psnr_control", "psnr", "risk_psnr", "verdict")
Tiles = Mapping[str, np.ndarray]


def catalogue(folder: Path) -> Path:
    """The captures as collections, each input with its reference."""
    entries = {}
    for name, (where, match, noisy, clean, _) in GROUPS.items():
        captures = sorted((DATA / "micro_pairs" / where).glob(f"*{noisy}"))
        cleaner = [path.with_name(path.name.removesuffix(noisy) + clean) for path in captures]
        reference = {"source": [str(path) for path in cleaner], "match": match}
        about = {"title": f"Real captures of {name}", "noise": "estimate", "reference": reference}
        entries[name] = {"source": [str(path) for path in captures], **about}
    place = folder / "trust.yaml"
    place.write_text(yaml.safe_dump({"collections": entries}))
    return place


def through_the_pipeline(name: str, catalog: Path, recipe: str, out: Path) -> Tiles:
    """Columns of a collection's tiles, whose inputs are restored as a user would have it done."""
    asked = ["restore", name, "--catalog", str(catalog), "--out", str(out), "--cluster", "none"]
    asked += ["--recipe", recipe] if recipe else []
    done = subprocess.run([sys.executable, "-m", "flows.cli", *asked], check=False, stdout=sys.stderr)
    if done.returncode != 1:  # more bad tiles than the recipe allows are a finding here
        done.check_returncode()
    table = pq.read_table(out / name / "convergence", columns=list(COLUMNS))
    return {key: table[key].to_numpy() for key in COLUMNS}


def restored(name: str, catalog: Path, recipe: str, out: Path) -> Tiles:
    """The same of captures, with the estimate as their references see it."""
    found = through_the_pipeline(name, catalog, recipe, out)
    averaged = GROUPS[name][-1]
    left = 10 ** (-found["psnr_noisy"] / 10) / (averaged + 1) if averaged else 0.0
    return {**found, "risk_psnr": -10 * np.log10(10 ** (-found["risk_psnr"] / 10) + left)}


def estimated(name: str, tiles: Tiles) -> list[object]:
    """How far the PSNR that was estimated without a reference is from the true one."""
    true, guess = (tiles[key] for key in ("psnr", "risk_psnr"))
    some = np.isfinite(true) & np.isfinite(guess)
    error = guess[some] - true[some]
    means = [float(tiles[key][some].mean()) for key in ("psnr_noisy", "psnr_control", "psnr")]
    far = float(np.quantile(np.abs(error), 0.95))
    alike = float(np.corrcoef(true[some], guess[some])[0, 1]) if some.sum() > 2 else float("nan")
    spread = [float(error.mean()), float(np.abs(error).mean()), far, alike]
    return [name, int(some.sum()), *means, float(guess[some].mean()), *spread]


def judged(name: str, tiles: Tiles) -> list[list[object]]:
    """Per verdict, how many tiles are truly better than their control, alike, or worse."""
    gain = tiles["psnr"] - tiles["psnr_control"]
    rows: list[list[object]] = []
    for verdict in sorted(set(tiles["verdict"])):
        some = gain[tiles["verdict"] == verdict]
        counts = [int((some > CLEAR).sum()), int((np.abs(some) <= CLEAR).sum()), int((some < -CLEAR).sum())]
        rows.append([name, verdict, len(some), *counts, float(np.nanmin(some))])
    return rows


def write(found: Mapping[str, Tiles], recipe: str, keep: bool) -> None:
    """Both tables."""
    every = {key: np.concatenate([tiles[key] for tiles in found.values()]) for key in next(iter(found.values()))}
    about = " ".join((__doc__ or "").split("\n\n")[2].split())
    sections: list[tuple[str, Sequence[str], Sequence[Sequence[object]]]] = [
        (
            f"{about} Recipe: {recipe or 'the default'}. PSNR in dB, peak: the input's scale; errors: estimated minus "
            "true.",
            ESTIMATES,
            [estimated(name, tiles) for name, tiles in {**found, "all": every}.items()],
        ),
        (
            f"Verdicts beside the truth: a tile is better or worse than its control (nlm and dct mixed) by more than "
            f"{CLEAR:g} dB, or alike.",
            VERDICTS,
            [row for name, tiles in found.items() for row in judged(name, tiles)],
        ),
    ]
    write_table("trust" if keep else "", "Verdicts on real captures", sections)


def main() -> None:
    """Restore, and write benchmarks/results/trust.md."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--recipe", default="", help="one that ships; the default where none is named")
    ask.add_argument("--only", nargs="*", default=list(GROUPS), choices=list(GROUPS))
    ask.add_argument("--keep", type=Path, help="folder of the results; an interrupted run goes on there")
    ask.add_argument("--write", action="store_true", help="keep the table")
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        catalog = catalogue(folder)
        write({name: restored(name, catalog, given.recipe, folder) for name in given.only}, given.recipe, given.write)


if __name__ == "__main__":
    main()
