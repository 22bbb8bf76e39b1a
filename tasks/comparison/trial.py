"""One contender on one input: its tiles restored as by `restore`, alone and mixed with the control, and scored."""

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tasks.collection_start import collection_start, collection_windows
from tasks.comparison.contenders import Contender
from tasks.comparison.scores import scores
from tasks.comparison.subjects import Subject, open_measurement, open_reference
from tasks.measured import Pixels, Valid, measured_pixels, read_box
from tasks.plan import InputPlan
from tasks.planning import plan_input
from tasks.requests import Request
from tasks.restoration import Restored, restore_both
from tasks.starts import Start, for_channels, input_start, mosaics
from tasks.stores.place import Place
from tasks.tiles import read_tiles
from tasks.tiling import Box
from tasks.treatment import Treatment, settled_facts, treatment_of
from tasks.truth import on_scale_of, peak_of
from tasks.workers import Crew

if TYPE_CHECKING:
    import xarray as xr

ALONE, MIXED = "alone", "mixed"
BATCH_ON_GPU = 16
MEASUREMENT, REFERENCE = "measurement", "reference"
_COMPUTING = threading.Lock()  # one trial at a time in a process, so that their seconds can be compared
_MEANS = (
    "risk", "control_risk", "skill", "share", "residual_ratio", "residual_correlation", "spread", "noise_sigma",
)  # fmt: skip
_FAILED = ("diverged", "out_of_memory")


@dataclass(frozen=True)
class Trial:
    """What became of a contender on an input.

    rows: one per place and part (alone: the method's own estimate; mixed: with the control's share, as published).
    pictures: (c, h, w) in data units by place and part.
    """

    contender: str
    input: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[tuple[int, str], Pixels] = field(default_factory=dict, repr=False)


def run_trial(contender: Contender, subject: Subject, crew: Crew) -> Trial:
    """Restore the places of an input. A contender that cannot is told with its reason, and stops nobody."""
    if subject.reason:
        return given_up(contender, subject, subject.reason)
    try:
        with _COMPUTING:
            torch.set_num_threads(crew.threads)
            return _tried(contender, subject, crew)
    except Exception as error:  # noqa: BLE001 - whatever a method raises, the others go on
        return given_up(contender, subject, " ".join(str(error).split()) or type(error).__name__)


def given_up(contender: Contender, subject: Subject, reason: str) -> Trial:
    """A trial that came to nothing."""
    return Trial(contender.name, subject.ref.name, [_told(contender, subject, reason)])


def measured(subject: Subject) -> dict[tuple[int, str], Pixels]:
    """Measurement and, where there is one, reference of an input's places."""
    if subject.reason:
        return {}
    array = open_measurement(subject)
    found = {(i, MEASUREMENT): _window(array, box) for i, box in enumerate(subject.places)}
    if subject.reference is not None:
        clean = open_reference(subject)
        found |= {(i, REFERENCE): _window(clean, box) for i, box in enumerate(subject.places)}
    return found


def _tried(contender: Contender, subject: Subject, crew: Crew) -> Trial:
    facts = settled_facts(subject.collection, subject.facts, contender.recipe, subject.ref.uri)
    subject = replace(subject, facts=facts)
    entry, array = _entry(contender, subject), open_measurement(subject)
    batch = contender.recipe.tiling.batch
    batch = batch if batch != "auto" else BATCH_ON_GPU if crew.device == "cuda" else 1
    start = contender.recipe.learned_start()
    treatment = treatment_of(contender.recipe, subject.facts, batch, crew.device, start)
    starts = _starts(entry, array, contender, subject, treatment)
    numbers = [_touching(entry, box) for box in subject.places]
    tiles = [
        tile for some in numbers for tile in read_tiles(entry, array, some, contender.recipe.seed, subject.collection)
    ]
    both = iter(restore_both(tiles, starts, treatment))
    clean = open_reference(subject) if subject.reference is not None else None
    trial = Trial(contender.name, subject.ref.name)
    for place, (box, some) in enumerate(zip(subject.places, numbers, strict=True)):
        done = [next(both) for _ in some]
        parts = {ALONE: [alone for alone, _ in done]}
        if any(mixed is not None for _, mixed in done):
            parts[MIXED] = [mixed or alone for alone, mixed in done]  # an empty tile is copied, and has one only
        raw, valid = _window(array, box), _valid(array, box)
        twin = None if clean is None else _window(clean, box)
        for part, restored in parts.items():
            image = _joined(entry, box, restored, raw)
            row = _row(contender, subject, place, part, restored) | _seconds(entry, box, starts)
            row["seconds"] += sum(each.row["seconds"] for each in restored)
            if twin is not None:
                affine = treatment.affine and subject.spoiling is None
                scaled = on_scale_of(treatment.anchor(raw, image), twin, valid) if affine else twin
                row |= _scored(image, raw, scaled, valid, subject.peak)
            trial.rows.append(row)
            trial.pictures[place, part] = image
    return trial


def _entry(contender: Contender, subject: Subject) -> InputPlan:
    assert subject.survey is not None
    ref = subject.ref
    request = Request(subject.collection, subject.facts, contender.recipe, (ref,), Place("."), "")
    return plan_input(request, ref, subject.dims, subject.shape, subject.dtype, subject.survey)


def _starts(
    entry: InputPlan, array: "xr.DataArray", contender: Contender, subject: Subject, treatment: Treatment
) -> dict[str, Start]:
    if not treatment.input_methods:
        return {}
    seed = contender.recipe.seed
    if contender.recipe.scope == "collection":  # which here is this input alone
        start = collection_start(*collection_windows([(entry, array)], seed, subject.collection), treatment)
        return {entry.name: for_channels(start, entry)}
    return {entry.name: input_start(mosaics(entry, array, seed, subject.collection), treatment)}


def _touching(entry: InputPlan, box: Box) -> list[int]:
    """The tiles that own a pixel of a box."""
    grid = entry.grid
    return [
        tile
        for shard in grid.shards_near(box)
        for tile in grid.tiles_of(shard)
        if grid.tile_core(tile).meet(box) is not None
    ]


def _joined(entry: InputPlan, box: Box, restored: list[Restored], raw: Pixels) -> Pixels:
    """The pixels (c, h, w) of a box, each from the tile that owns it; those that are to be copied from the input."""
    whole = np.full(box.shape, np.nan, np.float32)
    for each in restored:
        window, core = entry.grid.tile_window(each.tile.number), entry.grid.tile_core(each.tile.number)
        part = core.meet(box)
        if part is not None:
            whole[part.within(box)] = each.pixels.reshape(window.shape)[part.within(window)]
    image = whole[0, :, 0]
    return np.where(np.isfinite(image), image, raw)


def _row(contender: Contender, subject: Subject, place: int, part: str, restored: list[Restored]) -> dict[str, Any]:
    """What the tiles of a place have in common: means of figures, the worst status."""
    rows = [each.row for each in restored]
    worst = next((row for row in rows if row["status"] in _FAILED), rows[0])
    box = subject.places[place]
    found = _told(contender, subject, worst["stop_reason"]) | {
        "place": place, "part": part, "t": box.start[0], "z": box.start[2], "y0": box.start[3], "x0": box.start[4],
        "h": box.shape[3], "w": box.shape[4], "texture": subject.texture[place],
        "steps": max(row["steps"] for row in rows), "status": worst["status"],
    }  # fmt: skip
    for name in _MEANS:
        known = [row[name] for row in rows if row.get(name) is not None]
        found[name] = float(np.mean(known)) if known else None
    return found | {"risk_psnr": _promised(restored, subject.peak)}


def _promised(restored: list[Restored], peak: float) -> float | None:
    """Estimated PSNR of some tiles together, by the peak of the true one."""
    told = [(each.row["risk_psnr"], peak_of(each.tile)) for each in restored if each.row.get("risk_psnr") is not None]
    error = [own**2 * 10 ** (-level / 10) for level, own in told]
    return float(10 * np.log10(peak**2 / np.mean(error))) if error else None


def _told(contender: Contender, subject: Subject, reason: str) -> dict[str, Any]:
    spoiling = None if subject.spoiling is None else str(subject.spoiling)
    return {
        "recipe": contender.name, "method": contender.recipe.method.name, "input": subject.ref.name, "place": -1,
        "part": ALONE, "degrade": spoiling, "status": "error", "stop_reason": reason,
    }  # fmt: skip


def _seconds(entry: InputPlan, box: Box, starts: dict[str, Start]) -> dict[str, float]:
    """Of the input's own network, and the part of it that falls to a place when all of the input is restored."""
    whole = sum(start.record.seconds for start in starts.values())
    share = float(np.prod(box.shape[3:]) / np.prod([entry.grid.shape[axis] for axis in (0, 2, 3, 4)]))
    return {"start_seconds": whole, "seconds": whole * share}


def _scored(image: Pixels, raw: Pixels, twin: Pixels, valid: Valid, peak: float) -> dict[str, Any]:
    psnr, ssim = scores(image, twin, valid, peak)
    before, _ = scores(raw, twin, valid, peak)
    return {"psnr": psnr, "ssim": ssim, "psnr_noisy": before}


def _window(array: "xr.DataArray", box: Box) -> Pixels:
    return read_box(array, box)[0, :, 0].astype(np.float32)


def _valid(array: "xr.DataArray", box: Box) -> Valid:
    return measured_pixels(array, box, read_box(array, box))[0, 0, 0]
