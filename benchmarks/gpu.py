"""On a GPU: b networks at once against one, and what stoppers keep of paths of many tiles at the paper's length.

    python -m benchmarks.gpu --minutes 7     measures, and keeps every row as it comes: <keep>/gpu.jsonl
    python -m benchmarks.gpu --write FILE    the table of such rows, anywhere

Tiles are 128 x 128 pixels of Set12 and BSD68 with Gaussian noise of sigma 25, unclipped; a tile's best step is known to
an observer that stops nothing.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.images import classic, gaussian_problem
from benchmarks.onlooker import Onlooker
from benchmarks.table import write_table
from il_models.fitting import Budget, Discrepancy, MovingVariance, VarianceMinimum, fit
from il_models.method import Fitted
from il_models.methods import known_methods
from il_models.metrics import psnr
from il_models.problem import Problem
from il_models.stopper import Decision, Look, State, Stopper

SIGMA, SIDE, TILES = 25.0, 128, 32
LONGER = {"deep_decoder": 4, "drp": 2}  # times the method's own budget; what is cheap enough to go on
ENDS = ("zs_n2n", "noise2fast", "n2d", "pixel2pixel", "r2r", "neighbor2neighbor", "mash", "noise2void")
SPEEDS = ("dip", "deep_decoder", "drp", "zs_n2n", "self2self", "noise2void", "neighbor2neighbor")


@dataclass(frozen=True)
class Watch(Onlooker):
    """Asks other stoppers and obeys none. path: step and PSNR of each tile; kept: PSNR of what each would have kept."""

    clean: Tensor
    others: dict[str, Stopper]
    path: list[tuple[int, Tensor]] = field(default_factory=list)
    kept: dict[str, Tensor] = field(default_factory=dict)
    stopped: dict[str, Tensor] = field(default_factory=dict)

    def start(self, problem: Problem) -> State:
        """The states of all, each name led by its stopper's."""
        states = {name: stopper.start(problem) for name, stopper in self.others.items()}
        return {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}

    def decide(self, state: State, look: Look) -> Decision:
        """Asks all, and notes the PSNR."""
        now = level(look.estimate, self.clean)
        self.path.append((look.step, now.cpu()))
        state = dict(state)
        for name, stopper in self.others.items():
            own = {key.split(".", 1)[1]: value for key, value in state.items() if key.startswith(f"{name}.")}
            decision = stopper.update(own, look)
            state |= {f"{name}.{key}": value for key, value in decision.state.items()}
            before = self.kept.get(name, torch.full_like(now, torch.nan))
            self.kept[name] = torch.where(decision.best, now, before)
            self.stopped[name] = decision.stop > 0
        none = torch.zeros_like(look.loss, dtype=torch.int64)
        return Decision(state, none, none > 0)


def level(x: Tensor, clean: Tensor) -> Tensor:
    """PSNR of each tile, clipped to the range of pictures."""
    return psnr(x.clamp(0, 1), clean, 1.0, torch.ones_like(clean[:, :1], dtype=torch.bool))


def tiles(count: int, side: int) -> Tensor:
    """Clean tiles (count, 1, side, side): the centre of each picture first, then its corners."""
    pictures = [*classic("set12").values(), *classic("bsd68").values()]

    def crops() -> Iterator[Tensor]:
        for down, right in ((0.5, 0.5), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0)):
            for picture in pictures:
                top, left = int(down * (picture.shape[-2] - side)), int(right * (picture.shape[-1] - side))
                yield picture[:1, top : top + side, left : left + side]

    return torch.stack([crop for crop, _ in zip(crops(), range(count), strict=False)])


def speeds(problem: Problem, steps: int) -> Iterator[dict[str, Any]]:
    """Milliseconds of a step, one tile and all together."""
    one = problem.take(torch.zeros(1, dtype=torch.int64, device=problem.y.device))
    for name in SPEEDS:
        method = replace(fitted(name), steps=steps)
        alone, together = _step(method, one), _step(method, problem)
        yield {"kind": "speed", "method": name, "alone": alone, "together": together, "b": len(problem.y)}


def _step(method: Fitted, problem: Problem) -> float:
    """Milliseconds, without what a fit takes to begin."""
    spans = []
    fit(problem, replace(method, steps=5), stopper=Budget(5))  # what is compiled and chosen at first is no step
    for steps in (max(2, method.steps // 10), method.steps):
        _wait()
        began = time.perf_counter()
        fit(problem, replace(method, steps=steps), stopper=Budget(steps))
        _wait()
        spans.append((time.perf_counter() - began, steps))
    return 1e3 * (spans[1][0] - spans[0][0]) / (spans[1][1] - spans[0][1])


def path(name: str, problem: Problem, clean: Tensor, short: bool) -> dict[str, Any]:
    """One method along its whole budget, and what stoppers keep of it."""
    method = fitted(name)
    own = method.steps if not short else 20
    method = replace(method, steps=own * LONGER.get(name, 1))
    interval = 10 if not short else 1
    others: dict[str, Stopper] = {
        "variance minimum": VarianceMinimum(1000, interval),
        "moving variance": MovingVariance(1000, interval),
        "discrepancy": Discrepancy(interval=interval),
    }
    watch, began = Watch(interval, clean, others), time.perf_counter()
    fit(problem, method, stopper=watch)
    _wait()
    steps, levels = [step for step, _ in watch.path], torch.stack([each for _, each in watch.path])
    at_own = levels[min(range(len(steps)), key=lambda i: abs(steps[i] - own))]
    return {
        "kind": "path", "method": name, "steps": own, "gone on": method.steps, "tiles": len(problem.y),
        "seconds": time.perf_counter() - began, "best": levels.max(0).values.tolist(),
        "best step": [steps[i] for i in levels.argmax(0).tolist()], "own end": at_own.tolist(),
        "last": levels[-1].tolist(), "kept": {key: value.tolist() for key, value in watch.kept.items()},
        "stopped": {key: int(value.sum()) for key, value in watch.stopped.items()},
    }  # fmt: skip


def end(name: str, problem: Problem, clean: Tensor, short: bool) -> dict[str, Any]:
    """One method at its defaults, with its own stopper."""
    method, began = fitted(name), time.perf_counter()
    found = fit(problem, replace(method, steps=20) if short else method)
    _wait()
    seconds = time.perf_counter() - began
    steps = [record.steps for record in found.records]
    row = {"kind": "end", "method": name, "tiles": len(problem.y), "seconds": seconds, "steps": steps}
    return row | {"psnr": level(found.x, clean).tolist()}


def fitted(name: str) -> Fitted:
    """A method at the paper's defaults."""
    method = known_methods()[name]()
    assert isinstance(method, Fitted)
    return method


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measure(keep: Path, minutes: float, short: bool, only: list[str]) -> None:
    """All rows that the time allows, the most wanted first; each is kept as it comes."""
    device, began = torch.device("cuda" if torch.cuda.is_available() else "cpu"), time.perf_counter()
    clean = tiles(2 if short else TILES, 32 if short else SIDE)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    problem, clean = gaussian_problem(clean + SIGMA / 255 * noise, SIGMA).to(device), clean.to(device)
    machine = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    asked = [("speed", ""), ("path", "dip"), *(("end", each) for each in ENDS[:4]), ("path", "deep_decoder")]
    asked += [("path", "drp"), *(("end", each) for each in ENDS[4:]), ("path", "dip_sure"), ("path", "dip_sgld")]
    asked = [each for each in asked if not only or set(each) & set(only)]
    with (keep / "gpu.jsonl").open("a") as file:
        for kind, name in asked:
            if time.perf_counter() - began > 60 * minutes:
                break
            rows = (
                speeds(problem, 60 if not short else 10) if kind == "speed" else _one(kind, name, problem, clean, short)
            )
            for row in rows:
                print({key: value for key, value in row.items() if not isinstance(value, list | dict)}, flush=True)
                file.write(json.dumps(row | {"machine": machine}) + "\n")
                file.flush()


def _one(kind: str, name: str, problem: Problem, clean: Tensor, short: bool) -> Iterator[dict[str, Any]]:
    try:
        yield path(name, problem, clean, short) if kind == "path" else end(name, problem, clean, short)
    except Exception as error:  # noqa: BLE001 - the next method goes on, and the table says so
        yield {"kind": "failed", "method": name, "reason": f"{type(error).__name__}: {error}"}


def write(file: Path) -> None:
    """The table; of what was measured twice the last one counts."""
    found = [json.loads(line) for line in file.read_text().splitlines()]
    rows = list({(row["kind"], row["method"]): row for row in found}.values())
    paths = [row for row in rows if row["kind"] == "path"]
    failed = "".join(f" {row['method']} failed: {row['reason'][:120]}." for row in rows if row["kind"] == "failed")
    text = f"Measured on one {rows[0]['machine']} in float32; PSNR in dB, mean of the tiles.{failed} "
    sections: list[tuple[str, Sequence[str], Sequence[Sequence[object]]]] = [
        (
            f"{text}Milliseconds of a step: one tile of {SIDE} x {SIDE} alone, and all together.",
            ("method", "b", "alone", "together", "per tile", "times faster"),
            [_speed(row) for row in rows if row["kind"] == "speed"],
        ),
        (
            "Paths of all tiles together. Best: mean of each tile's best step, which only the truth knows.",
            ("method", "steps", "seconds of all", "best", "median best step", "at the end", "gone on to", "at last"),
            [_path(row) for row in paths],
        ),
        (
            "What stoppers without ground truth keep of these paths, looked at every ten steps: dB below the best step "
            "(aim: median 0.2, 95 % 0.5).",
            ("method", "stopper", "tiles", "stopped", "median gap", "95 % gap"),
            [_gap(row, name) for row in paths for name in row["kept"]],
        ),
        (
            "At the method's defaults, with its own stopper.",
            ("method", "mean steps", "seconds of all", "PSNR"),
            [_end(row) for row in rows if row["kind"] == "end"],
        ),
    ]
    write_table("gpu", "On a GPU: many networks at once, and what stoppers keep", sections)


def _speed(row: dict[str, Any]) -> list[object]:
    each = row["together"] / row["b"]
    return [row["method"], row["b"], row["alone"], row["together"], each, f"{row['alone'] / each:.1f}"]


def _path(row: dict[str, Any]) -> list[object]:
    best, steps = float(np.mean(row["best"])), float(np.median(row["best step"]))
    ends = [float(np.mean(row["own end"])), row["gone on"], float(np.mean(row["last"]))]
    return [row["method"], row["steps"], row["seconds"], best, steps, *ends]


def _gap(row: dict[str, Any], name: str) -> list[object]:
    gap = np.array(row["best"]) - np.array(row["kept"][name], dtype=float)
    gap = gap[np.isfinite(gap)]
    return [row["method"], name, len(gap), row["stopped"][name], float(np.median(gap)), float(np.quantile(gap, 0.95))]


def _end(row: dict[str, Any]) -> list[object]:
    return [row["method"], float(np.mean(row["steps"])), row["seconds"], float(np.mean(row["psnr"]))]


def main() -> None:
    """Measure, or write."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--minutes", type=float, default=7)
    ask.add_argument("--keep", type=Path, default=Path())
    ask.add_argument("--write", type=Path)
    ask.add_argument("--only", nargs="*", default=[], help="speed, or names of methods")
    ask.add_argument("--quick", action="store_true")
    given = ask.parse_args()
    write(given.write) if given.write else measure(given.keep, given.minutes, given.quick, given.only)


if __name__ == "__main__":
    main()
