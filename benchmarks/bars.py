"""Do methods that learn from the input alone reach the figures of their papers, on whole batches on a GPU?

    python -m benchmarks.bars --minutes 8 --keep FOLDER   measures, and keeps every row as it comes: FOLDER/bars.jsonl
    python -m benchmarks.bars --write FILE                the table of such rows, anywhere

kodak: centre 256 x 256 crops in colour; set12: its pictures of 256 x 256; float noise N(0, (sigma/255)^2), neither
clipped nor rounded; methods at their defaults, which are their papers', the last iterate or that of the method's own
stopper; nothing is chosen by ground truth; output clipped to 0 to 1; PSNR over all pixels and channels. All pictures of
a set are fitted at once.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage import data
from torch import Tensor

from benchmarks.contestants import PAPERS
from benchmarks.denoising import centre, ssim
from benchmarks.gpu import fitted, level, path
from benchmarks.images import classic, gaussian_problem, noisy
from benchmarks.table import write_table
from il_models.fitting import fit
from il_models.problem import Problem

SIDE = 256
CHEAP = ("zs_n2n", "noise2fast", "pixel2pixel", "n2d", "r2r", "mash", "noise2void", "neighbor2neighbor")
DEAR = ("dip", "deep_decoder", "drp", "dip_sure")
PATHS = ("dip", "deep_decoder")  # what over-fits, or is told when to stop by nobody
LONGER = ("zs_n2n", "pixel2pixel", "n2d", "r2r")  # also four times as long
BARS = {
    ("kodak", 25.0, "zs_n2n"): 28.8,
    ("kodak", 50.0, "zs_n2n"): 24.5,
    ("kodak", 25.0, "pixel2pixel"): 29.0,
    ("kodak", 50.0, "pixel2pixel"): 26.0,
    ("kodak", 25.0, "dip"): 26.4,
    ("kodak", 50.0, "dip"): 23.0,
    ("set12", 25.0, "zs_n2n"): 26.9,
    ("set12", 50.0, "zs_n2n"): 23.2,
    ("astronaut", 30.0, "deep_decoder"): 28.5,
}  # what a faithful method must reach on such pictures
PAPER = {"kodak": "kodak", "set12": "grey256"}
KEPT = ("moving variance", "discrepancy")  # stoppers without ground truth
ALONG = ("pictures", "sigma", "n", "method", "steps", "best", "at", "last", *KEPT, "bar", "paper")
HEADS = ("pictures", "sigma", "n", "method", "steps", "PSNR", "SSIM", "bar", "paper", "seconds of all")


def pictures(name: str) -> Tensor:
    """Clean pictures of one set, (n, c, h, w)."""
    if name == "astronaut":
        return torch.from_numpy(data.astronaut().astype(np.float32) / 255).movedim(-1, 0)[None]
    found = classic(name).values()
    return torch.stack([centre(image, SIDE) for image in found if name == "kodak" or image.shape[-1] == SIDE])


def asked(methods: Sequence[str], sets: Sequence[str]) -> Iterator[tuple[str, float, str, int]]:
    """What is measured, the most wanted first: pictures, sigma, method, times its budget."""
    for sigma in (25.0, 50.0):
        yield from ((name, sigma, method, 1) for name in sets for method in methods if method != "deep_decoder")
        if sigma == 25.0:
            if "deep_decoder" in methods:
                yield "astronaut", 30.0, "deep_decoder", 1
            yield from ((name, sigma, method, 4) for name in sets for method in methods if method in LONGER)


def measured(name: str, sigma: float, method: str, times: int, device: torch.device, short: bool) -> dict[str, Any]:
    """One method on all pictures of a set."""
    clean = pictures(name)
    clean = clean[:1, :, :64, :64] if short else clean
    spoiled = torch.stack([noisy(image, sigma, place) for place, image in enumerate(clean)])
    problem, clean = gaussian_problem(spoiled, sigma).to(device), clean.to(device)
    row = {"set": name, "sigma": sigma, "n": len(clean), "times": times, "method": method}
    if method in PATHS:
        return path(method, problem, clean, short) | row
    return _ended(method, problem, clean, 20 if short else times * fitted(method).steps) | row


def _ended(name: str, problem: Problem, clean: Tensor, steps: int) -> dict[str, Any]:
    began = time.perf_counter()
    found = fit(problem, replace(fitted(name), steps=steps))
    levels = level(found.x, clean).tolist()
    seconds, x = time.perf_counter() - began, found.x.clamp(0, 1).cpu()
    alike = [ssim(each, truth, 1.0) for each, truth in zip(x, clean.cpu(), strict=True)]
    steps_of = [record.steps for record in found.records]
    return {"kind": "end", "seconds": seconds, "steps": steps_of, "psnr": levels, "ssim": alike}


def measure(keep: Path, minutes: float, methods: Sequence[str], sets: Sequence[str], short: bool) -> None:
    """All rows that the time allows; each is kept as it comes."""
    device, began = torch.device("cuda" if torch.cuda.is_available() else "cpu"), time.perf_counter()
    machine = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    with (keep / f"bars_{methods[0]}.jsonl").open("a") as file:
        for name, sigma, method, times in asked(methods, sets):
            if time.perf_counter() - began > 60 * minutes:
                break
            try:
                row = measured(name, sigma, method, times, device, short)
            except Exception as error:  # noqa: BLE001 - the next goes on, and the table says so
                reason = f"{type(error).__name__}: {error}"
                row = {"kind": "failed", "set": name, "sigma": sigma, "times": times, "method": method}
                row |= {"reason": reason[:200]}
            print({key: row.get(key) for key in ("set", "sigma", "method", "times", "psnr", "seconds", "reason")})
            file.write(json.dumps(row | {"machine": machine}) + "\n")
            file.flush()


def write(files: Sequence[Path]) -> None:
    """The table; of what was measured twice the last one counts."""
    found = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    rows = {(row["set"], row["sigma"], row["method"], row["times"]): row for row in found}
    ends = [row for row in rows.values() if row["kind"] == "end"]
    paths = [row for row in rows.values() if row["kind"] == "path"]
    failed = "".join(f" {row['method']} failed: {row['reason']}." for row in found if row["kind"] == "failed")
    said = f"{failed} {(__doc__ or '').split(chr(10) * 2)[2].replace(chr(10), ' ').strip()}"
    sections: list[tuple[str, Sequence[str], Sequence[Sequence[object]]]] = [
        (
            f"Measured on one {found[0]['machine']} in float32, several processes at once, so seconds are at most so "
            f"many.{said} Bar: what a faithful method must reach.",
            HEADS,
            [_row(row) for row in ends if row["times"] == 1],
        ),
        (
            "Methods that over-fit, along their whole path: the best step, which only the truth knows; the last; and "
            "what stoppers without ground truth keep (dip's own is the discrepancy).",
            ALONG,
            [_along(row) for row in paths],
        ),
        (
            "Four times the budget: no method should lose more than 0.2 dB.",
            ("pictures", "sigma", "method", "PSNR", "four times as long", "difference"),
            [_longer(row, rows) for row in ends if row["times"] > 1],
        ),
    ]
    write_table("bars", "Methods at their papers' settings, on whole batches", sections)


def _row(row: dict[str, Any]) -> list[object]:
    figures = [float(np.mean(row[key])) for key in ("psnr", "ssim")]
    ahead = [row["set"], f"{row['sigma']:g}", row["n"], row["method"], f"{np.mean(row['steps']):.0f}"]
    return [*ahead, *figures, *_aims(row, figures[0]), f"{row['seconds']:.0f}"]


def _along(row: dict[str, Any]) -> list[object]:
    kept = [float(np.mean(row["kept"][name])) for name in KEPT]
    ahead = [row["set"], f"{row['sigma']:g}", row["n"], row["method"], row["steps"]]
    best = [float(np.mean(row["best"])), f"{np.median(row['best step']):.0f}", float(np.mean(row["last"]))]
    return [*ahead, *best, *kept, *_aims(row, max(kept))]


def _aims(row: dict[str, Any], reached: float) -> list[object]:
    bar = BARS.get((row["set"], row["sigma"], row["method"]))
    said = PAPERS.get(f"{PAPER.get(row['set'])} {row['sigma']:g}", {}).get(row["method"], "")
    return ["" if bar is None else f"{bar:g} {'met' if reached >= bar else 'missed'}", said]


def _longer(row: dict[str, Any], rows: dict[tuple[Any, ...], dict[str, Any]]) -> list[object]:
    once = float(np.mean(rows[row["set"], row["sigma"], row["method"], 1]["psnr"]))
    longer = float(np.mean(row["psnr"]))
    return [row["set"], f"{row['sigma']:g}", row["method"], once, longer, f"{longer - once:+.2f}"]


def main() -> None:
    """Measure, or write."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--minutes", type=float, default=8)
    ask.add_argument("--keep", type=Path, default=Path())
    ask.add_argument("--write", type=Path, nargs="*", default=[])
    ask.add_argument("--only", nargs="*", default=[*CHEAP, *DEAR], help="names of methods")
    ask.add_argument("--sets", nargs="*", default=["kodak", "set12"])
    ask.add_argument("--quick", action="store_true")
    given = ask.parse_args()
    if given.write:
        write(given.write)
    else:
        measure(given.keep, given.minutes, given.only, given.sets, given.quick)


if __name__ == "__main__":
    main()
