"""Do stoppers keep the right estimate? An observer that knows the clean picture, and the table of what it saw.

The observer never stops a fit and chooses nothing: it asks the method's own stopper, lets the loop keep what that one
calls best, and writes down the PSNR of every estimate, so that the best one on the path is known as well. Other
stoppers look on beside it, each with a record of its own. benchmarks.from_scratch runs it and writes the table.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.onlooker import Onlooker
from il_models.fitting import Budget, Discrepancy, HeldOut, MovingVariance, VarianceMinimum
from il_models.method import Fitted
from il_models.metrics import psnr
from il_models.problem import Problem
from il_models.stopper import Decision, Look, State, Stopper

LOOKS = 100  # at the path of a fit whose own stopper does not watch estimates
HEADS = ("protocol", "method", "stopper", "n", "stopped", "median gap", "95 % gap", "kept / best step")


@dataclass
class Watched:
    """What one stopper did on a path: when it stopped (0: never), why, and what it would have kept."""

    stop_step: int = 0
    seconds: float = 0.0  # of the processor, at the stop
    reason: str = "budget"
    best_step: int = 0
    psnr: float = math.nan


@dataclass(frozen=True)
class Observer(Onlooker):
    """For one tile: the method's own stopper and others, watched and not obeyed.

    own: whose best estimate the loop keeps. clean: (1, c, h, w), values of 0 to 1. interval: steps between two looks.
    """

    own: Stopper
    clean: Tensor
    others: Mapping[str, Stopper] = field(default_factory=dict)
    path: list[tuple[int, float]] = field(default_factory=list)
    seen: dict[str, Watched] = field(default_factory=dict)

    @staticmethod
    def of(method: Fitted, clean: Tensor) -> "Observer":
        """For a fit of a method: where its own stopper watches estimates, looks come when that one wants them."""
        own = method.stopper or Budget(max(1, method.steps))
        shared = math.gcd(own.every, method.steps)
        wanted = max(1, method.steps // LOOKS)
        interval = own.every if own.watches_estimate else max(i for i in range(1, wanted + 1) if shared % i == 0)
        return Observer(interval, own, clean, beside(method, interval) if own.watches_estimate else {})

    @property
    def needs_measurement(self) -> bool:
        """If the method's own stopper does."""
        return self.own.needs_measurement

    @property
    def withholds(self) -> float:
        """What the method's own stopper wants."""
        return self.own.withholds

    def start(self, problem: Problem) -> State:
        """The states of all, each name led by its stopper's."""
        states = {name: stopper.start(problem) for name, stopper in self._all.items()}
        return {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}

    def decide(self, state: State, look: Look) -> Decision:
        """Asks all, and says of the own stopper's best that it is the best."""
        level = float(psnr(look.estimate.clamp(0, 1), self.clean, 1.0, torch.ones_like(look.problem.mask)))
        self.path.append((look.step, level))
        state, best = dict(state), torch.zeros_like(look.loss, dtype=torch.bool)
        stopped = self.seen.get("own", Watched()).stop_step > 0
        for name, stopper in self._all.items():
            if look.step % stopper.every:
                continue
            own = {key.split(".", 1)[1]: value for key, value in state.items() if key.startswith(f"{name}.")}
            decision = stopper.update(own, look)
            state |= {f"{name}.{key}": value for key, value in decision.state.items()}
            self._note(name, stopper, decision, look.step, level)
            best = decision.best if name == "own" else best
        if not self.own.watches_estimate:  # its result is the estimate where it stops
            best = torch.full_like(best, not stopped)
        return Decision(state, torch.zeros_like(look.loss, dtype=torch.int64), best)

    @property
    def _all(self) -> dict[str, Stopper]:
        return {"own": self.own, **self.others}

    def _note(self, name: str, stopper: Stopper, decision: Decision, step: int, level: float) -> None:
        watched = self.seen.setdefault(name, Watched())
        if bool(decision.best[0]):
            watched.best_step, watched.psnr = step, level
        if int(decision.stop[0]) and not watched.stop_step:
            watched.stop_step, watched.seconds = step, time.process_time()
            watched.reason = stopper.reasons[int(decision.stop[0]) - 1]


def beside(method: Fitted, interval: int) -> dict[str, Stopper]:
    """Other stoppers that can judge the same path, as patient as the method's own, by name."""
    patience = int(getattr(method.stopper, "patience", 1000))
    found: dict[str, Stopper] = {
        "variance minimum": VarianceMinimum(patience, interval),
        "moving variance": MovingVariance(patience, interval),
        "discrepancy": Discrepancy(interval=interval),
    }
    return found | ({"held-out pixels": HeldOut(patience, interval, method.withheld)} if method.withheld else {})


def gaps(lines: Sequence[dict[str, Any]]) -> list[list[object]]:
    """Rows of the table: per protocol, method and stopper, how far what was kept is from the best of the path."""
    found: dict[tuple[str, str, str], list[tuple[float, float, bool]]] = {}
    for line in lines:
        for name, watched in (line.get("stoppers") or {}).items():
            kept = line["psnr"] if name == "own" else watched["psnr"]
            if kept is None or not math.isfinite(kept):
                continue
            steps = watched["best_step"] / max(1, line["oracle_step"])
            key = (line["protocol"], line["label"], f"own: {line['stopper']}" if name == "own" else name)
            found.setdefault(key, []).append((line["oracle"] - kept, steps, watched["stop_step"] > 0))
    rows: list[list[object]] = []
    for key, some in found.items():
        gap, steps, stopped = (np.array(values, dtype=float) for values in zip(*some, strict=True))
        row = [len(some), f"{int(stopped.sum())}", float(np.median(gap)), float(np.quantile(gap, 0.95))]
        rows.append([*key, *row, float(np.median(steps))])
    return rows
