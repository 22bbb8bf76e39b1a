"""Does a larger budget do harm? Methods that learn from the input alone, with their steps and with four times as many.

    python -m benchmarks.budgets [--only METHOD ...] [--pictures NAME ...] [--whole] [--keep FILE]
    python -m benchmarks.budgets --write FILE

Set12, Gaussian noise of sigma 25 as everywhere (benchmarks.from_scratch), one tile at a time, one thread. Settings are
those of benchmarks/contestants.py, stoppers the methods' own; a schedule of the rate stretches with the steps. Wanted:
at most 0.2 dB less with four times the budget.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.contestants import CONTESTANTS
from benchmarks.from_scratch import Case, cases
from benchmarks.table import write_table
from il_models.fitting import fit
from il_models.method import Fitted
from il_models.methods import known_methods
from il_models.metrics import psnr

TIMES = 4
WANTED = 0.2  # dB
PARTS = {"grey128": "Centres of 128 x 128.", "grey256": "Whole pictures of 256 x 256."}
HEADS = ("method", "pictures", "steps", "taken", "PSNR", f"steps x {TIMES}", "taken", "PSNR", "change", "worst", "kept")


def contestants(only: Sequence[str]) -> dict[str, Fitted]:
    """Those that are fitted and that a CPU bears, by label."""
    some = [each for each in CONTESTANTS if each.images is None and "grey128" in each.parts]
    learned = {each.label: each.made() for each in some if issubclass(known_methods()[each.name], Fitted)}
    return {
        label: each for label, each in learned.items() if isinstance(each, Fitted) and (not only or each.name in only)
    }


def measured(case: Case, method: Fitted) -> dict[str, Any]:
    """PSNR, steps taken and CPU-seconds of a fit."""
    began = time.process_time()
    done = fit(case.problem, method)
    image, clean = case.compared(done.x)
    everywhere = torch.ones(1, 1, *clean.shape[-2:], dtype=torch.bool)
    level = float(psnr(image, clean, case.peak, everywhere))
    return {"psnr": level, "steps": done.records[0].steps, "seconds": time.process_time() - began}


def row(label: str, some: Sequence[dict[str, Any]]) -> list[object]:
    """A method's line of the table."""
    change = np.array([each["more"]["psnr"] - each["usual"]["psnr"] for each in some])
    columns: list[object] = [label, len(some)]
    for which, times in (("usual", 1), ("more", TIMES)):
        taken, level = (float(np.mean([each[which][name] for each in some])) for name in ("steps", "psnr"))
        columns += [some[0]["budget"] * times, f"{taken:.0f}", level]
    return [*columns, float(change.mean()), float(change.min()), "yes" if change.min() >= -WANTED else "no"]


def write(lines: Sequence[dict[str, Any]], keep: bool) -> None:
    """The table of each size of tile."""
    about = " ".join((__doc__ or "").split("\n\n")[2].split())
    tables = []
    for part in (each for each in PARTS if any(line["part"] == each for line in lines)):
        found = {
            each.label: [line for line in lines if (line["part"], line["label"]) == (part, each.label)]
            for each in CONTESTANTS
        }
        tables.append((f"{PARTS[part]} {about}", HEADS, [row(label, some) for label, some in found.items() if some]))
        about = ""
    write_table("budgets" if keep else "", "Four times the budget", tables)


def main() -> None:
    """Measure, or write benchmarks/results/budgets.md."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--only", nargs="*", default=[], help="names of methods")
    ask.add_argument("--pictures", nargs="*", default=["01", "05"])
    ask.add_argument("--whole", action="store_true", help="pictures of 256 x 256 instead of centres of 128 x 128")
    ask.add_argument("--keep", type=Path, help="file to which a line of JSON is added for each method and picture")
    ask.add_argument("--write", type=Path, help="the table of such a file")
    given = ask.parse_args()
    torch.set_num_threads(1)
    if given.write:
        write([json.loads(line) for line in given.write.read_text().splitlines()], keep=True)
        return
    lines, part = [], "grey256" if given.whole else "grey128"
    for case in cases(part, None, [25.0]):
        for label, method in contestants(given.only).items() if case.picture in given.pictures else ():
            usual, more = (measured(case, replace(method, steps=times * method.steps)) for times in (1, TIMES))
            place = {"part": part, "label": label, "picture": case.picture}
            line = {**place, "budget": method.steps, "usual": usual, "more": more}
            lines.append(line)
            print(line, flush=True)
            if given.keep:
                with given.keep.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    write(lines, keep=False)


if __name__ == "__main__":
    main()
