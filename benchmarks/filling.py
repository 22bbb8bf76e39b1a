"""Filling: how good are the pixels that a night infers, and does it know how good they are?

    python -m benchmarks.filling --keep FOLDER        restores with every way of filling; FOLDER/<collection>_<way>.json
    python -m benchmarks.filling --write FOLDER       the tables of what was kept

Everything as a user has it: images, masks and twins in files, the recipe `fill_gaps`, the convergence table. half:
every second pixel is missing, at random; lines: three of twenty rows; text and holes: the masks of Deep Image Prior's
text and library pictures, cut to size. Values of 0 to 255, in float32. still: without noise, and measured pixels stay
as they came (method identity). noisy: white noise of ten levels, told, and taken away by the default method. slices:
sections of a worm by electron microscopy, as the microscope made them, three of forty rows lost; nothing is known of
their noise, and the lost rows, noise and all, are what is compared with. In gaps: PSNR over filled pixels alone, full
scale as the survey has it. Foretold: what the rehearsal said of the same tiles. Share: the weight of the method
beside a smooth surface.
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
import yaml
from numpy.typing import NDArray

from benchmarks.images import DATA, picture
from benchmarks.table import processor, write_table
from flows.environment import settle

WAYS = ("pnp", "biharmonic")
PICTURES = {"cameraman": "01", "peppers": "03", "butterfly": "05", "barbara": "09"}  # of Set12
PUBLISHED = {"cameraman": 29.80, "peppers": 33.05, "barbara": 32.22}  # Deep Image Prior, table 1: other random halves
COLLECTIONS = {"still": {"kind": "none"}, "noisy": {"kind": "gaussian", "sigma": 10.0}, "slices": "estimate"}
SLICES = (0, 4, 8)
HEADS = ("picture", "gaps", "missing", "noise", "surface", "pnp", "gain", "foretold", "share", "suspect tiles")


def gaps(kind: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels of (height, width) are missing."""
    if kind == "half":
        return np.random.default_rng(0).random(shape) < 0.5
    if kind == "lines":
        return np.repeat((np.arange(shape[0]) % 20 >= 17)[:, None], shape[1], 1)
    if kind == "lost rows":
        return np.repeat((np.arange(shape[0]) % 40 >= 37)[:, None], shape[1], 1)
    name = {"text": "kate_mask.png", "holes": "library_mask.png"}[kind]
    mask = picture(DATA / "classic" / "dip" / "inpainting" / name)[0].numpy() < 127
    tiles = [-(-side // own) for side, own in zip(shape, mask.shape, strict=True)]
    return np.asarray(np.tile(mask, tiles)[: shape[0], : shape[1]])


def scenes(collection: str) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
    """(picture, kind of gaps, (height, width) clean or as the instrument made it)."""
    if collection == "slices":
        for depth in SLICES:
            path = DATA / "em" / "c_elegans_em" / f"c_elegans_em_z{depth:04d}.tif"
            yield f"worm {depth}", "lost rows", picture(path)[0].numpy()
        return
    for name, number in PICTURES.items():
        image = picture(DATA / "classic" / "set12" / f"{number}.png")[0].numpy()
        for kind in ("half", "lines", "text", "holes") if collection == "still" else ("half", "lines"):
            yield name, kind, image


def files(folder: Path, collection: str) -> None:
    """A collection as files, with its catalogue."""
    noise = COLLECTIONS[collection]
    for place, (name, kind, image) in enumerate(scenes(collection)):
        own = f"{name}_{kind}".replace(" ", "_")
        missing = gaps(kind, image.shape[:2])
        sigma = noise["sigma"] if isinstance(noise, dict) and "sigma" in noise else 0.0
        seen = image + sigma * np.random.default_rng(place).standard_normal(image.shape)
        for kept, pixels in (("in", np.where(missing, 0, seen)), ("masks", 1.0 * missing), ("twins", image)):
            (folder / kept).mkdir(exist_ok=True)
            tifffile.imwrite(folder / kept / f"{own}.tif", pixels.astype(np.uint8 if kept == "masks" else np.float32))
    entry = {
        "title": collection,
        "source": "in/*.tif",
        "noise": noise,
        "mask": {"source": "masks/*.tif"},
        "reference": {"source": "twins/*.tif"},
    }
    (folder / "catalog.yaml").write_text(yaml.safe_dump({"collections": {collection: entry}}))


def measured(folder: Path, collection: str, way: str) -> Iterator[dict[str, Any]]:
    """One collection, filled in one way: a row per input."""
    from flows.restore import restore
    from tasks.recipe import load_recipe
    from tasks.summary import BadRun

    choices: dict[str, Any] = {} if way == "pnp" else {"fill.method": {"name": way}}
    recipe = load_recipe("fill_gaps", choices, "identity" if collection == "still" else None)
    out = folder / way
    began = time.perf_counter()
    with contextlib.suppress(BadRun):  # suspect tiles are counted
        restore(collection, recipe, catalog=str(folder / "catalog.yaml"), out=str(out))
    seconds = time.perf_counter() - began
    table = pd.read_parquet(out / collection / "convergence")
    for name, kind, image in scenes(collection):
        own = f"{name}_{kind}".replace(" ", "_")
        tiles = table[(table["input"] == own) & (table["filled"] > 0)]
        restored = _pixels(out / collection / f"{own}.zarr")
        missing = gaps(kind, image.shape[:2])
        weight = tiles["filled"] * tiles["h"] * tiles["w"]
        yield {
            "name": name, "kind": kind, "way": way, "collection": collection, "missing": float(missing.mean()),
            "inside": _psnr(tiles["psnr_filled"], weight), "foretold": _psnr(tiles["fill_psnr"], weight),
            "whole": float(10 * np.log10(255**2 / np.mean((restored - image) ** 2))),
            "share": float(np.average(tiles["fill_share"], weights=weight)),
            "suspect": int((tiles["verdict"] != "good").sum()), "tiles": len(tiles),
            "seconds": seconds, "pixels": int(image.size), "machine": processor(),
        }  # fmt: skip


def _pixels(store: Path) -> NDArray[np.float64]:
    import zarr

    found = zarr.open_group(store, mode="r")["0"]
    assert isinstance(found, zarr.Array)
    return np.asarray(found[...], np.float64)


def _psnr(values: "pd.Series[float]", weight: "pd.Series[float]") -> float | None:
    """Of all tiles together, from that of each."""
    known = values.notna()
    if not known.any():
        return None
    return float(-10 * np.log10(np.average(10 ** (-values[known] / 10), weights=weight[known])))


def measure(keep: Path, asked: Sequence[str]) -> None:
    """All rows; those of each run are kept as it ends."""
    settle(quiet=True)
    keep.mkdir(parents=True, exist_ok=True)
    for collection in asked:
        with tempfile.TemporaryDirectory() as folder:
            files(Path(folder), collection)
            for way in WAYS:
                rows = list(measured(Path(folder), collection, way))
                (keep / f"{collection}_{way}.json").write_text(json.dumps(rows))
                print(collection, way, f"{rows[0]['seconds']:.0f} s", flush=True)


def write(keep: Path) -> None:
    """The tables of what was kept."""
    known = {
        (row["collection"], row["name"], row["kind"], row["way"]): row
        for path in sorted(keep.glob("*.json"))
        for row in json.loads(path.read_text())
    }
    rows, beside = [], []
    for (collection, name, kind, way), row in known.items():
        surface = known.get((collection, name, kind, "biharmonic"))
        if way != "pnp" or surface is None:
            continue
        rows.append([
            name, kind, f"{row['missing']:.0%}", {"still": "", "noisy": "10", "slices": "unknown"}[collection],
            surface["inside"], row["inside"], f"{row['inside'] - surface['inside']:+.2f}", row["foretold"] or "",
            row["share"], f"{row['suspect']} of {row['tiles']}",
        ])  # fmt: skip
        if (collection, kind) == ("still", "half"):
            beside.append([name, surface["whole"], row["whole"], PUBLISHED.get(name, "")])
    told = [row for row in rows if row[7] != ""]
    miss = np.array([row[7] - row[5] for row in told])
    said = (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip()
    machine = ", ".join(sorted({row["machine"] for row in known.values()}))
    write_table(
        "filling",
        "Filling gaps",
        [
            (f"{said} PSNR in dB, measured on {machine}.", HEADS, rows),
            (
                "Foretold less true, dB, over the rows above.",
                ("rows", "mean", "mean of magnitudes", "largest"),
                [[len(miss), float(miss.mean()), float(np.abs(miss).mean()), float(miss[np.abs(miss).argmax()])]],
            ),
            (
                "Half of the pixels gone, no noise: PSNR of the whole picture, measured pixels included.",
                ("picture", "surface", "pnp", "Deep Image Prior (published)"),
                beside,
            ),
        ],
    )


def main() -> None:
    """Measure, or write."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--keep", type=Path, default=Path())
    ask.add_argument("--only", nargs="*", choices=list(COLLECTIONS), default=list(COLLECTIONS))
    ask.add_argument("--write", type=Path, default=None)
    given = ask.parse_args()
    if given.write is not None:
        write(given.write)
    else:
        measure(given.keep, given.only)


if __name__ == "__main__":
    main()
