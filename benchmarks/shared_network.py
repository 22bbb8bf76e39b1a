"""One network for a whole collection, or one for each input: what does either bring, and what does it cost?

    python -m benchmarks.shared_network

Everything as a user has it: files, catalogue, recipe, published images; no control and no share of one, so that only
the start counts. frames: four single frames of W2S as they were taken, noise estimated blind, PSNR with gain and offset
fitted as its authors do. micrographs: 4 pieces of 192 px of electron micrographs with white noise of 25 levels, told.
lattice: 16 pieces of 128 px of a hexagonal lattice, the same noise; nothing like it was among what the start was
learned from. CPU-seconds: of the whole run in one process, Prefect and publishing among them.
"""

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
import torch
import yaml
from torch import Tensor

from benchmarks.images import pairs
from benchmarks.starts import lattice, micrographs
from benchmarks.table import write_table
from flows.environment import settle
from il_models.metrics import affine_match, psnr

SIGMA = 25.0
WAYS: dict[str, tuple[str, list[dict[str, str]]]] = {
    "the start as it is": ("input", []),
    "gain_tuning, one per input": ("input", [{"name": "gain_tuning"}]),
    "gain_tuning, one for all": ("collection", [{"name": "gain_tuning"}]),
    "lidia, one per input": ("input", [{"name": "lidia"}]),
    "lidia, one for all": ("collection", [{"name": "lidia"}]),
}


@dataclass(frozen=True)
class Twins:
    """Clean and measured pictures (h, w) of a kind, the peaks of their PSNR, and whether gain and offset are fitted."""

    noise: object
    peaks: list[float]
    affine: bool
    clean: list[Tensor]
    measured: list[Tensor]


def frames() -> Twins:
    """Single frames of W2S, and the mean of 400 that each belongs to."""
    some = [pair for pair in pairs() if pair.name.startswith("w2s")]
    return Twins(
        "estimate", [each.peak for each in some], True, [each.clean for each in some], [each.noisy for each in some]
    )


def pieces(image: Tensor, side: int) -> list[Tensor]:
    """Squares (side, side) of (h, w)."""
    return [piece for rows in image.split(side) for piece in rows.split(side, 1) if piece.shape == (side, side)]


def noisy(clean: list[Tensor]) -> Twins:
    """Pictures with white noise."""
    seen = [x + SIGMA * torch.randn(x.shape, generator=torch.Generator().manual_seed(i)) for i, x in enumerate(clean)]
    return Twins({"kind": "gaussian", "sigma": SIGMA}, [255.0] * len(clean), False, clean, seen)


def collections() -> Iterator[tuple[str, Twins]]:
    """What is restored."""
    yield "frames", frames()
    yield "micrographs", noisy([255 * x for m in micrographs(4).values() for x in pieces(m[0], 192)][:16])
    yield "lattice", noisy([200 * x for x in pieces(lattice(512)[0], 128)])


def files(folder: Path, name: str, twins: Twins) -> Path:
    """A collection as files; its catalogue."""
    (folder / name).mkdir()
    for place, image in enumerate(twins.measured):
        tifffile.imwrite(folder / name / f"{place:02}.tif", image.numpy().astype(np.float32))
    entry = {"title": name, "source": f"{name}/*.tif", "noise": twins.noise}
    catalog = folder / f"{name}.yaml"
    catalog.write_text(yaml.safe_dump({"collections": {name: entry}}))
    return catalog


def measured(name: str, catalog: Path, twins: Twins, way: str) -> list[object]:
    """A row: PSNR of each input and in the mean, CPU-seconds, what was accepted."""
    import zarr

    from flows.restore import restore
    from tasks.recipe import load_recipe
    from tasks.summary import BadRun

    scope, ladder = WAYS[way]
    choices: dict[str, Any] = {"scope": scope, "ladder": ladder, "control": "none", "output.dtype": "float32"}
    out = catalog.parent / way
    began = time.process_time()
    with contextlib.suppress(BadRun):
        restore(name, load_recipe(None, choices, "pretrained"), catalog=str(catalog), out=str(out), cluster="none")
    seconds = time.process_time() - began
    levels = []
    for place, (clean, peak) in enumerate(zip(twins.clean, twins.peaks, strict=True)):
        array: Any = zarr.open_group(out / name / f"{place:02}.zarr", mode="r")["0"]
        x, twin = torch.from_numpy(np.asarray(array[...], np.float32)).reshape(1, 1, *clean.shape), clean[None, None]
        everywhere = torch.ones_like(x, dtype=torch.bool)
        x = affine_match(x, twin, everywhere) if twins.affine else x
        levels.append(float(psnr(x, twin, peak, everywhere)))
    rungs = Counter(pd.read_parquet(out / name / "convergence")["rung"].astype(str))
    told = ", ".join(f"{rung} {count}" for rung, count in sorted(rungs.items()))
    return [name, way, float(np.mean(levels)), float(np.min(levels)), seconds, told]


def main() -> None:
    """Write benchmarks/results/shared_network.md."""
    settle(quiet=True)
    torch.set_num_threads(1)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory(prefix="selfmend-") as folder:
        for name, twins in collections():
            catalog = files(Path(folder), name, twins)
            for way in WAYS:
                rows.append(measured(name, catalog, twins, way))
                print(rows[-1], flush=True)
    heads = ("collection", "way", "dB", "worst", "CPU-s", "tiles by what was accepted")
    assert __doc__
    write_table("shared_network", "One network for all, or one for each", [(__doc__.split("\n\n")[2], heads, rows)])


if __name__ == "__main__":
    main()
