"""An unfinished lesson on disk: weights, moments and curve, so that it goes on as if it had not been interrupted."""

import json
from dataclasses import asdict

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from il_models.meta.joint import Learned
from tasks.registry.card import CurvePoint
from tasks.stores.place import Place

STATE, PROGRESS = "state.safetensors", "progress.json"
Curve = tuple[CurvePoint, ...]


def keep_state(work: Place, learned: Learned, curve: Curve) -> None:
    """Keep where a lesson stands, in one file that is written whole."""
    tensors = {f"weights:{name}": value.cpu() for name, value in learned.weights.items()}
    tensors |= {f"moments:{name}": value.cpu() for name, value in learned.moments.items()}
    told = {"steps": learned.steps, "loss": learned.loss, "curve": [asdict(point) for point in curve]}
    work.write(STATE, save_tensors(tensors, {"state": json.dumps(told)}))


def kept_state(work: Place) -> tuple[Learned, Curve] | None:
    """Where a lesson stands, or None where it has not begun."""
    if not work.exists(STATE):
        return None
    data = work.read(STATE)
    length = int.from_bytes(data[:8], "little")
    told = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["state"])
    tensors = load_tensors(data)
    weights, moments = (
        {name.removeprefix(kind): value for name, value in tensors.items() if name.startswith(kind)}
        for kind in ("weights:", "moments:")
    )
    curve = tuple(CurvePoint(each["steps"], each["loss"], tuple(each["psnr"])) for each in told["curve"])
    return Learned(told["steps"], told["loss"], weights, moments), curve


def tell_progress(work: Place, steps: int, whole: int) -> None:
    """Note how far a lesson is, for whoever watches."""
    work.write(PROGRESS, json.dumps([steps, whole]).encode())


def told_progress(work: Place) -> tuple[int, int] | None:
    """Steps taken and steps in all, once that is known."""
    if not work.exists(PROGRESS):
        return None
    steps, whole = json.loads(work.read(PROGRESS))
    return steps, whole
