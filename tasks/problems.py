"""Pixels -> Problem: read windows, fill what was not measured, stabilise and scale, pad, to the device. And back."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from il_models.degradations import Degradation, Guided, Identity
from il_models.interpolation import nearest
from il_models.method import Method
from il_models.noise import Affine, Anscombe, Logarithm, Noise, Stabiliser
from il_models.problem import Problem
from tasks.guides import GuideWindow
from tasks.instrument import Instrument
from tasks.measured import Pixels, Valid
from tasks.plan import InputPlan, correlation_of

LEAST = 0.001  # of the scale: what rounding adds to eight bits; an enlarged image need not agree to less than that


@dataclass(frozen=True)
class Window:
    """A plane of an input as it was read: raw values (c, h, w) in data units, and which pixels were measured (h, w)."""

    entry: InputPlan
    channels: slice  # of the input's channels
    raw: Pixels
    valid: Valid
    seed: int
    guide: GuideWindow | None = None  # finer bands of it, where a method looks at them


@dataclass(frozen=True)
class Intensity:
    """Between data units and problem units, per tile and channel: (transform(y) - offset) / scale.

    offset, scale: (b, c), in the units of the transform, from the input's survey.
    """

    transform: Stabiliser
    offset: Tensor
    scale: Tensor

    def forward(self, raw: Tensor) -> Tensor:
        """Data units -> problem units, (b, c, h, w)."""
        return (self.transform.forward(raw) - self.offset[..., None, None]) / self.scale[..., None, None]

    def backward(self, x: Tensor) -> Tensor:
        """Estimates in problem units -> data units, of the size of the problem."""
        return self.transform.backward(x * self.scale[..., None, None] + self.offset[..., None, None])

    def steepness(self, x: Tensor) -> Tensor:
        """By how much the data change with an estimate, data units per problem unit at its values x, (b, c, h, w)."""
        scale = self.scale[..., None, None]
        return self.transform.steepness(x * scale + self.offset[..., None, None]) * scale

    def noise(self, correlation: Tensor) -> Noise:
        """That of problem units, from its correlation."""
        return self.transform.noise(self.offset, self.scale, correlation)

    def take(self, index: Tensor) -> "Intensity":
        """That of some of the tiles."""
        return Intensity(self.transform.take(index), self.offset[index], self.scale[index])


def seed_of(run_seed: int, collection: str, name: str, place: str) -> int:
    """63 bits from (run seed, collection, input, tile): the same on every machine and in every retry."""
    text = "\0".join([str(run_seed), collection, name, place])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def filled(raw: Pixels, valid: Valid) -> Pixels:
    """Unmeasured pixels get the value of the nearest measured one, so that no network sees a cliff at their edge."""
    return nearest(raw, valid) if valid.any() else np.nan_to_num(raw, nan=0.0, posinf=0.0, neginf=0.0)


def make_problem(
    windows: list[Window], method: Method, device: torch.device, instrument: Instrument | None = None
) -> tuple[Problem, Intensity]:
    """b windows of one shape as a problem, as the method wants it.

    Sides are padded to method.multiple by reflection, and padding counts as not measured. A method that does not want
    its noise stabilised gets data units, unscaled. With an instrument, which acts on light and not on its square root,
    nothing is stabilised, and the method is told the noise as it is.

    Args:
        instrument: to be undone.
    """
    raw = torch.from_numpy(np.stack([filled(window.raw, window.valid) for window in windows])).to(device)
    mask = torch.from_numpy(np.stack([window.valid for window in windows]))[:, None].to(device)
    height, width = raw.shape[-2:]
    below, right = -height % method.multiple, -width % method.multiple
    raw, mask = _padded(raw, below, right), functional.pad(mask, (0, right, 0, below))
    if instrument is not None:
        intensity = _scaled(windows, _affine(windows, LEAST if instrument.enlarges else 0.0, device), device)
    elif method.stabilises:
        intensity = _scaled(windows, _transform(windows, raw, mask), device)
    else:
        intensity = _unscaled(windows, device)
    correlation = [correlation_of(window.entry.survey.noise[window.channels]) for window in windows]
    problem = Problem(
        y=intensity.forward(raw),
        A=_degradation(windows, instrument, device),
        noise=intensity.noise(torch.tensor(correlation, device=device)),
        mask=mask,
        seeds=torch.tensor([window.seed for window in windows], dtype=torch.int64, device=device),
    )
    return problem, intensity


def _degradation(windows: list[Window], instrument: Instrument | None, device: torch.device) -> Degradation:
    if instrument is None:
        return Identity()
    coarser = instrument.degradation(windows[0].entry.name, [window.channels for window in windows], device)
    beside = [window.guide for window in windows if window.guide is not None]
    if not beside:
        return coarser
    pixels, known, kept = (
        torch.from_numpy(np.stack(each)).to(device)
        for each in zip(*((b.pixels, b.known[None], b.kept[None]) for b in beside), strict=True)
    )
    return Guided(coarser, pixels, known, kept)


def _scaled(windows: list[Window], transform: Stabiliser, device: torch.device) -> Intensity:
    low = _per_channel(windows, lambda entry, c: entry.survey.offset[c], device)
    high = low + _per_channel(windows, lambda entry, c: entry.survey.scale[c], device)
    low, high = (transform.forward(value[..., None, None])[..., 0, 0] for value in (low, high))
    return Intensity(transform, low, (high - low).clamp(min=1e-12))


def _transform(windows: list[Window], raw: Tensor, mask: Tensor) -> Stabiliser:
    """The logarithm where a plan says speckle, as then it does of all inputs of the collection; Anscombe otherwise."""
    if all(_is_speckled(window.entry) for window in windows):
        looks, floor = (_per_channel(windows, number, raw.device) for number in (_looks, _floor))
        return Logarithm(looks, floor, raw, mask)
    noise = Noise(
        gain=_per_channel(
            windows, lambda entry, c: entry.survey.noise[c].gain if entry.stabilised else 0.0, raw.device
        ),
        variance=_per_channel(
            windows, lambda entry, c: entry.survey.noise[c].variance if entry.stabilised else 1.0, raw.device
        ),
        correlation=torch.zeros(len(windows), 2, device=raw.device),
    )
    return Anscombe(noise, _per_channel(windows, _variance, raw.device))


def _affine(windows: list[Window], least: float, device: torch.device) -> Affine:
    """least: standard deviation that is there in any case, as a part of the scale."""
    gain = _per_channel(windows, lambda entry, c: entry.survey.noise[c].gain, device)
    variance = _per_channel(windows, lambda entry, c: entry.survey.noise[c].variance, device)
    floor = _per_channel(windows, lambda entry, c: (least * entry.survey.scale[c]) ** 2, device)
    return Affine(Noise(gain, variance + floor, torch.zeros(len(windows), 2, device=device)))


def _unscaled(windows: list[Window], device: torch.device) -> Intensity:
    ones = _per_channel(windows, lambda entry, c: 1.0, device)
    return Intensity(_affine(windows, 0.0, device), 0 * ones, ones)


def _is_speckled(entry: InputPlan) -> bool:
    return entry.stabilised and all(noise.speckle is not None for noise in entry.survey.noise)


def _looks(entry: InputPlan, c: int) -> float:
    speckle = entry.survey.noise[c].speckle
    return speckle.looks if speckle else 1.0


def _floor(entry: InputPlan, c: int) -> float:
    speckle = entry.survey.noise[c].speckle
    return speckle.floor if speckle else 1.0


def _variance(entry: InputPlan, c: int) -> float:
    """Behind the Anscombe transform: 1 where it stabilised, otherwise that of the middle of the range."""
    middle = (entry.survey.low[c] + entry.survey.high[c]) / 2
    return 1.0 if entry.stabilised else entry.survey.noise[c].variance_at(middle)


def _per_channel(windows: list[Window], value: Callable[[InputPlan, int], float], device: torch.device) -> Tensor:
    rows = [[value(w.entry, c) for c in range(w.channels.start, w.channels.stop)] for w in windows]
    return torch.tensor(rows, dtype=torch.float32, device=device)


def _padded(y: Tensor, below: int, right: int) -> Tensor:
    height, width = y.shape[-2:]
    y = functional.pad(y, (0, right, 0, 0), mode="reflect" if width > right else "replicate") if right else y
    return functional.pad(y, (0, 0, 0, below), mode="reflect" if height > below else "replicate") if below else y
