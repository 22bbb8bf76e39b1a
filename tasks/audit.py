"""Audits: on a few inputs a learned start is held against what can be had without it, on pixels that neither saw."""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import torch
from jaxtyping import Bool
from torch import Tensor

from il_models.acceptance import WHITE
from il_models.fitting import fit
from il_models.fitting.withholding import without
from il_models.from_start import FromStart
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.metrics import mean
from il_models.problem import Problem
from tasks.beginning import begun_from
from tasks.errors import InputError
from tasks.plan import InputPlan
from tasks.problems import make_problem, seed_of
from tasks.quality import control_of
from tasks.recipe import Recipe
from tasks.starts import Start
from tasks.stores.place import Place
from tasks.tiles import Tile
from tasks.treatment import Treatment

AUDITS = "audits"  # of the work area
SIDE = 128  # px, of the middle of a tile: what a fit from scratch takes some CPU-seconds for
SCRATCH = ZeroShotNoise2Noise(steps=1000, views=8)
UNSEEN = 0.06  # of the pixels, by which both are judged
NO_WORSE = 1.02  # times the other's error on them, which holds their noise as well
SALT = 0xA0D17


@dataclass(frozen=True)
class Audit:
    """An input's tile restored from the start and without it.

    own, scratch, control: mean squared distance from what was measured at unseen pixels, over the noise variance, by
    the start's network as the input's ladder left it, by a network from random weights, and by the classical control.
    """

    input: str
    tile: int
    start: str
    own: float
    scratch: float
    control: float
    seconds: float

    @property
    def is_won(self) -> bool:
        """Whether the start was no worse than the better of the others."""
        return self.own <= NO_WORSE * min(self.scratch, self.control)


def is_chosen(recipe: Recipe, collection: str, entry: InputPlan) -> bool:
    """Whether an input is among those that are audited: by the run's seed and its name, not by what it holds."""
    return seed_of(recipe.seed, collection, entry.name, "audit") < recipe.audit * 2**63


def audited_tile(recipe: Recipe, collection: str, entry: InputPlan) -> int:
    """The number of the tile of an input that is audited."""
    return seed_of(recipe.seed, collection, entry.name, "audited tile") % entry.grid.tiles


def audit(tile: Tile, starts: dict[str, Start], treatment: Treatment) -> Audit | None:
    """Restore the middle of a tile from its start and without it, both without a few of its pixels.

    What the method makes of the tile is not touched. Noise of neighbours must be independent, as then nothing tells of
    what is hidden but the image; None where it is not, where there is none, and for what is sharpened or enlarged.

    Args:
        tile: with something in it.
        starts: by input, where tiles go on from their input's own network.
        treatment: whose method begins at a learned start.
    """
    began, method = time.perf_counter(), treatment.method
    if not isinstance(method, FromStart) or treatment.start is None or treatment.instrument is not None:
        return None
    problem = _middle(make_problem([tile.window], method, treatment.device)[0])
    power = mean(problem.noise.sigma(problem.y) ** 2, problem.mask)
    if bool((problem.noise.colour > WHITE).any()) or float(power) <= 0 or not bool(problem.mask.any()):
        return None
    nets = begun_from([tile], starts, treatment, problem)
    seen, unseen = without(replace(problem, seeds=problem.seeds ^ SALT), UNSEEN)
    estimates = (
        fit(seen, replace(method, steps=0), start=nets).x,
        fit(seen, SCRATCH).x,
        control_of(seen, treatment.controls).x if treatment.controls else seen.y,
    )
    own, scratch, control = (_error(x, problem, unseen, power) for x in estimates)
    return Audit(
        tile.entry.name, tile.number, treatment.start.card.id, own, scratch, control, time.perf_counter() - began
    )


def keep_audit(work: Place, entry: InputPlan, found: Audit) -> None:
    """Keep an audit beside the lots' records. Doing it twice leaves the same."""
    work.write(f"{AUDITS}/{entry.key}.json", json.dumps(asdict(found)).encode())


def kept_audits(work: Place, entries: Iterable[InputPlan]) -> tuple[Audit, ...]:
    """The audits of some inputs that the work area has."""
    there = set(work.names(AUDITS))
    names = [f"{entry.key}.json" for entry in entries]
    try:
        return tuple(Audit(**json.loads(work.read(f"{AUDITS}/{name}"))) for name in names if name in there)
    except (ValueError, TypeError) as error:
        raise InputError(f"'{work.uri}/{AUDITS}' holds a file that is no audit ({error}); remove it.") from error


def _middle(problem: Problem) -> Problem:
    rows, columns = (_centre(length) for length in problem.y.shape[-2:])
    return replace(problem, y=problem.y[..., rows, columns], mask=problem.mask[..., rows, columns])


def _centre(length: int) -> slice:
    first = max(0, length - SIDE) // 2 // 8 * 8
    return slice(first, first + SIDE)


def _error(x: Tensor, problem: Problem, unseen: Bool[Tensor, "1 1 h w"], power: Tensor) -> float:
    error = float(mean((x - problem.y) ** 2, unseen) / power)
    return error if torch.isfinite(torch.tensor(error)) else 1e9  # what is not finite loses, and can be kept as JSON
