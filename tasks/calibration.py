"""A few steps on one real tile: seconds and bytes, from which a plan predicts. Decides no pixel."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from il_models.draw import Draw
from il_models.fitting import Budget
from il_models.fitting.batch import Running
from il_models.method import Fitted, Method
from il_models.problem import Problem

TRIES = 8  # steps


@dataclass(frozen=True)
class Calibration:
    """What one tile costs on one worker.

    step: seconds of a step of its own fit. start: seconds of the whole fit of its input's network. tile: seconds of the
    rest, once per tile: control and quality. bytes: peak memory of the fit of one tile. free: of the worker's GPU.
    """

    step: float
    start: float
    tile: float
    bytes: int
    free: int = 0


def calibrated(
    problem: Problem, on_input: Sequence[Fitted], own: Method, finish: Callable[[], object], threads: int
) -> Calibration:
    """Measure one tile.

    Args:
        problem: one tile on the device that will be used.
        on_input: the methods of the fits of its input's network, if it has one.
        own: the method of its own fit.
        finish: control and quality of one tile.
        threads: of torch.
    """
    torch.set_num_threads(threads)
    finish()
    rest = _seconds(finish)
    if not isinstance(own, Fitted):
        return Calibration(0.0, 0.0, rest, 8 * _tensor_bytes(problem), _free_bytes())
    start = sum(each.steps * _step_seconds(problem, each) for each in on_input)
    step = _step_seconds(problem, own) if own.steps else 0.0
    peak = max(_step_bytes(problem, each) for each in (own, *on_input))
    return Calibration(step, start, rest, peak, _free_bytes())


def _step_seconds(problem: Problem, method: Fitted) -> float:
    """The median of a few, the first left out: whatever else the machine does only ever adds time to some of them."""
    running = Running.begin(problem, method, Budget(1), None)
    return median([_seconds(lambda step=step: running.advance(method, step)) for step in range(1, TRIES + 1)][1:])  # type: ignore[misc]


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _step_bytes(problem: Problem, method: Fitted) -> int:
    """What autograd keeps for one step, twice for what comes and goes, and four copies of the weights (Adam)."""
    running = Running.begin(problem, method, Budget(1), None)
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        method.loss(running.nets, running.inputs, problem, Draw(problem.seeds), 0).sum().backward()
    weights = sum(value.nbytes for value in running.nets.weights.values())
    return 2 * sum(kept.values()) + 4 * weights + 4 * _tensor_bytes(problem)


def _free_bytes() -> int:
    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else 0


def _tensor_bytes(problem: Problem) -> int:
    return problem.y.nbytes + problem.mask.nbytes + math.prod(problem.y.shape)
