"""Where fits begin: the network of an input, fitted once on random crops of all of it, from which its tiles go on."""

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from safetensors.torch import save as save_tensors
from torch import Tensor

from il_models.fitting import Fit, FitRecord, Status, fit
from il_models.from_start import FromStart
from il_models.nets import Nets
from il_models.problem import Problem
from tasks.adaptation import START, begun_at, climb
from tasks.adapted import (
    adaptations,
    keep_adapted,
    kept_adapted,
    own_weights,
    read_tensors,
    record_from,
    record_told,
    whole_weights,
)
from tasks.errors import InputError
from tasks.guides import GuideWindow, guide_window, joined_below
from tasks.measured import Pixels, Valid, measured_pixels, read_box
from tasks.plan import InputPlan
from tasks.problems import Window, make_problem, seed_of
from tasks.refereed import fit_started
from tasks.stores.place import Place
from tasks.tiling import Box, Five
from tasks.treatment import Treatment

if TYPE_CHECKING:
    import xarray as xr

SAMPLED_VALUES = 8 * 2**20  # pixels times channels: enough crops for any scene, and a bound on memory
SAMPLE_SIDE = 256
ROUNDS = 8  # of sampling, where most of an input was not measured
COLLECTION = "collection"  # in the place of an input's key: the network of all of them


@dataclass(frozen=True)
class Start:
    """The networks of an input: one for all channels, or one per channel where they are restored separately."""

    weights: dict[str, Tensor]  # each leaf begins with the axis of the networks
    record: FitRecord  # of the worst of them, by seconds their sum
    id: str  # input: or collection:<hash of the weights>, or the learned start that was kept as it is


def input_start(windows: list[Window], treatment: Treatment) -> Start:
    """Fit the network of an input, one per group of channels, from a learned start if there is one.

    Args:
        windows: mosaics of the groups, in order.
        treatment: one that has input_methods.
    """
    method, device, instrument = treatment.input_methods[0], treatment.device, treatment.instrument
    problems = [make_problem([window], method, device, instrument)[0] for window in windows]
    return start_from([fitted_start(problem, treatment) for problem in problems], treatment, "input")


def start_from(fits: list[Fit], treatment: Treatment, scope: str) -> Start:
    """What fits of one tile each came to, one per group of channels."""
    weights = Nets.joined([each.nets for each in fits if each.nets is not None]).weights
    kept = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    record = _summary([each.records[0] for each in fits])
    own = treatment.start is None or any(each.records[0].rung != START for each in fits)
    return Start(kept, record, f"{scope}:{_digest(kept)}" if own else treatment.start_name)


def fitted_start(problem: Problem, treatment: Treatment, witness: Problem | None = None) -> Fit:
    """The treatment's input methods on a problem of one tile, from its learned start if there is one.

    Args:
        witness: on which an adaptation is judged; None: on a part of the problem.
    """
    method = treatment.input_methods[0]
    if treatment.start is None:
        return fit(problem, method, stopper=treatment.input_stopper)
    begin = begun_at(treatment.start, method, problem)
    if method.name != treatment.method.name:  # a ladder, also of one rung, is for starts in doubt
        rungs = [each for each in treatment.input_methods if isinstance(each, FromStart)]
        return climb(problem, rungs, begin, treatment.controls, witness)
    return fit_started(problem, method, treatment.input_stopper, begin, treatment.start, witness)


def mosaics(entry: InputPlan, array: "xr.DataArray", run_seed: int, collection: str) -> list[Window]:
    """The mosaic of each group of channels.

    Raises:
        InputError: none of the sampled windows holds a measured pixel.
    """
    return [mosaic(entry, array, channels, run_seed, collection) for channels in channel_groups(entry)]


def channel_groups(entry: InputPlan) -> list[slice]:
    """The channels that are restored together."""
    channels, together = entry.grid.shape[1], entry.grid.core[1]
    return [slice(first, first + together) for first in range(0, channels, together)]


def channel_group(entry: InputPlan, channels: slice) -> int:
    """The place of a tile's channels among the networks of its input."""
    return channel_groups(entry).index(channels)


def for_channels(start: Start, entry: InputPlan) -> Start:
    """A start of one network as that of an input, with a copy for each of its groups of channels."""
    groups = len(channel_groups(entry))
    weights = {name: value.expand(groups, *value.shape[1:]) for name, value in start.weights.items()}
    return replace(start, weights=weights)


def kept_start(work: Place, key: str, treatment: Treatment) -> Start | None:
    """The start of an input by its key, or of the collection, if the work area has it."""
    name = _file(key)
    if not work.exists(name):
        return None
    own, texts = read_tensors(work.read(name))
    weights = whole_weights(own, int(texts["networks"]), treatment.start)
    return Start(weights, record_from(texts["record"]), texts["id"])


def keep_start(work: Place, key: str, start: Start, treatment: Treatment) -> None:
    """Keep a start for the lots that go on from it: what differs from the learned one. Twice leaves the same."""
    networks = str(next(iter(start.weights.values())).shape[0])
    texts = {"record": record_told(start.record), "id": start.id, "networks": networks}
    work.write(_file(key), save_tensors(own_weights(start.weights, treatment.start), texts))


def known_start(adapted: Place, told: dict[str, object], treatment: Treatment) -> Start | None:
    """A start as an earlier run adapted it, alike in all that it depends on."""
    found = kept_adapted(adapted, told)
    if found is None:
        return None
    own, record, id_, networks = found
    return Start(whole_weights(own, networks, treatment.start), replace(record, seconds=0.0), id_)


def remembered_start(adapted: Place, id_: str, treatment: Treatment) -> Start | None:
    """The start that tiles went on from, by its id: the learned one as it is, or what a run kept of its adaptation."""
    assert treatment.start is not None
    record = FitRecord(Status.DIRECT, "an earlier run's", 0, 0, (), 0.0)
    kept = {each.id: each.weights for each in adaptations(adapted, treatment.start.card.id)}
    kept[treatment.start_name] = {}
    return Start(whole_weights(kept[id_], 1, treatment.start), record, id_) if id_ in kept else None


def remember_start(adapted: Place, told: dict[str, object], start: Start, treatment: Treatment) -> None:
    """Keep a start for later runs, where it was adapted."""
    own = own_weights(start.weights, treatment.start)
    if own and start.record.rung not in (None, START):
        keep_adapted(adapted, told, start.record, start.id, own)


def mosaic(entry: InputPlan, array: "xr.DataArray", channels: slice, run_seed: int, collection: str) -> Window:
    """Windows from all over an input, one above the other; all of it where it is small.

    The seams between them are edges that are not there in the scene: one row in 256, too few to be learned.
    """
    seed = seed_of(run_seed, collection, entry.name, f"channels {channels.start}")
    raws: list[Pixels] = []
    valids: list[Valid] = []
    guides: list[GuideWindow] = []
    for round_ in range(ROUNDS):
        for box in sample_boxes(entry.grid.shape, channels, seed + round_):
            values = read_box(array, box)
            valid = measured_pixels(array, box, values)
            if valid.any():
                raws.append(values[0, :, 0].astype(np.float32))
                valids.append(valid[0, 0, 0])
                if entry.guide is not None:
                    guides.append(guide_window(array, entry.guide, box))
        if raws:
            break
    else:
        raise InputError(
            f"Input '{entry.name}': none of the sampled windows holds a measured pixel, so nothing can be learned."
        )
    guide = joined_below(guides) if guides else None
    return Window(entry, channels, np.concatenate(raws, 1), np.concatenate(valids, 0), seed, guide)


def sample_boxes(shape: Five, channels: slice, seed: int) -> list[Box]:
    """Boxes of one plane each: whole planes where all fit into so many pixels, otherwise windows at random places."""
    t, _, z, height, width = shape
    pixels = SAMPLED_VALUES // (channels.stop - channels.start)
    planes = [(i, j) for i in range(t) for j in range(z)]
    if len(planes) * height * width <= pixels:
        corners, side = [(*plane, 0, 0) for plane in planes], (height, width)
    else:
        side = (min(SAMPLE_SIDE, height), min(SAMPLE_SIDE, width))
        random = np.random.default_rng(seed)
        count = max(1, pixels // (side[0] * side[1]))
        corners = [
            (
                *planes[random.integers(len(planes))],
                int(random.integers(height - side[0] + 1)),
                int(random.integers(width - side[1] + 1)),
            )
            for _ in range(count)
        ]
    return [
        Box((i, channels.start, j, top, left), (i + 1, channels.stop, j + 1, top + side[0], left + side[1]))
        for i, j, top, left in sorted(corners)
    ]


def _summary(records: list[FitRecord]) -> FitRecord:
    """One record for all channels: a failed one if there is one, with the seconds of all."""
    worst = max(records, key=lambda record: record.status in (Status.DIVERGED, Status.OUT_OF_MEMORY))
    return FitRecord(
        worst.status,
        worst.reason,
        worst.steps,
        worst.best_step,
        worst.curve,
        sum(record.seconds for record in records),
        rung=worst.rung,
    )


def _digest(weights: dict[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=6)
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].numpy().tobytes())
    return digest.hexdigest()


def _file(key: str) -> str:
    return f"starts/{key}.safetensors"
