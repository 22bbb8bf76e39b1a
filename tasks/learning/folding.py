"""What a night was good at is learned for the next ones: its accepted inputs -> a lesson for a candidate start."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from torch import Tensor

from il_models.networks.denoiser import SharedDenoiser
from tasks.adapted import FOLDER, adaptations
from tasks.errors import RequestError
from tasks.fallbacks import GIVEN_UP
from tasks.learning.collection import EVERY
from tasks.learning.lesson import Lesson
from tasks.learning.reading import Source
from tasks.recipe import Recipe
from tasks.recipe_parts import Fold
from tasks.registry.artifact import LearnedStart
from tasks.registry.gate import LEAST_IMAGES
from tasks.registry.loading import known_starts
from tasks.report.table import read_columns, table_files
from tasks.requests import Request, make_request
from tasks.stores.place import Place

FEWEST = 2 * LEAST_IMAGES  # inputs: half to learn from, and as many as the gate wants to judge by
SEED = 29  # of crops and noise
LONGEST = 48  # letters of a name


@dataclass(frozen=True)
class Folding:
    """A lesson from what a collection's inputs came to. accepted: inputs. adapted: those of them that had weights."""

    lesson: Lesson
    accepted: int
    adapted: int

    def sentence(self) -> str:
        """What goes into it."""
        moved = f", {self.adapted} of them adapted, first went towards their weights" if self.adapted else ""
        return f"{self.accepted} accepted inputs{moved}; {self.lesson.steps} steps from {_id(self.lesson)}"


def make_folding(
    source: str, recipe: Recipe, catalog: str | None = None, out: str = "restored", run: str | None = None
) -> Folding:
    """Check what there is to be folded.

    First a step of Reptile (Nichol, Achiam and Schulman, arXiv 1803.02999): w + e (mean of w' - w) over the accepted
    inputs, where w' are the weights that an input was adapted to, and w where it took the start as it is. As few inputs
    are adapted at all, a short training on the accepted inputs follows, which beat Reptile in every comparison
    (benchmarks/results/meta_start.md). The start itself is not touched.

    Args:
        source, recipe, catalog, out: as they were restored.
        run: only inputs that this flow run restored; None: all that are in the table.

    Raises:
        RequestError: no start that could be gone on from, or too few accepted inputs.
    """
    request, choice = make_request(source, recipe, catalog=catalog, out=out), recipe.fold or Fold()
    start = _start(request)
    accepted = accepted_inputs(request.out, run)
    inputs = tuple(ref for ref in request.inputs if ref.name in accepted)
    if len(inputs) < FEWEST:
        raise RequestError(
            f"{len(inputs)} inputs of '{request.collection}' were restored well with a share of the start, and "
            f"{FEWEST} are needed: half of them are held out, for the gate. Fold after more of them."
        )
    moved, adapted = _moved(request.out / FOLDER, start, [ref.name for ref in inputs], choice.toward)
    lesson = Lesson(
        name=folded_name(start, request.collection),
        what=str(start.card.network["size"]),
        steps=choice.steps,
        seed=SEED,
        source=Source(request.collection, request.facts, inputs),
        parent=start,
        rate=choice.rate,
        rough=0.0,
        every=min(EVERY, len(inputs) // LEAST_IMAGES),
        moved=moved,
    )
    return Folding(lesson, len(inputs), adapted)


def accepted_inputs(out: Place, run: str | None = None) -> set[str]:
    """Inputs all of whose tiles are good (empty ones do not count) and that took a share of the start.

    Args:
        out: folder of the collection.
        run: only tiles that this flow run restored.
    """
    table = read_columns(out, table_files(out), ["input", "run", "verdict", "rung", "share"])
    known = pc.is_valid(table.column("rung"))
    table = table.filter(known if run is None else pc.and_(known, pc.equal(table.column("run"), run)))
    counted = pa.table(
        {
            "input": table.column("input").cast(pa.string()),
            "bad": pc.not_equal(table.column("verdict").cast(pa.string()), "good").cast(pa.int64()),
            "share": pc.fill_null(table.column("share"), 1.0),  # without a control all of it is the start's
        }
    )
    found = counted.group_by("input").aggregate([("bad", "sum"), ("share", "mean")])
    rows = zip(*(found.column(name).to_pylist() for name in ("input", "bad_sum", "share_mean")), strict=True)
    return {name for name, bad, share in rows if bad == 0 and share >= GIVEN_UP}


def folded_name(start: LearnedStart, collection: str) -> str:
    """What the candidate is called: as its parent, or after the collection if the parent ships."""
    if not any(each.bundled and each.id == start.card.id for each in known_starts()):
        return start.card.name
    words = re.sub(r"[^a-z0-9_-]+", "-", collection.lower()).strip("-")
    return f"{start.card.name}-{words}"[:LONGEST]


def _moved(place: Place, start: LearnedStart, inputs: Sequence[str], toward: float) -> tuple[dict[str, Tensor], int]:
    """The weights after Reptile's step, those that moved; and how many inputs were adapted."""
    names, total, count = set(inputs), dict[str, Tensor](), 0
    for each in adaptations(place, start.card.id) if toward > 0 else ():
        if each.told.get("input") not in names or not each.weights.keys() <= start.weights.keys():
            continue  # adapters stand beside the weights, and have no mean
        count += 1
        for name, value in each.weights.items():
            total[name] = total.get(name, 0) + value.mean(0) - start.weights[name]
    moved = {name: start.weights[name] + toward * step / len(inputs) for name, step in sorted(total.items())}
    return moved, count


def _start(request: Request) -> LearnedStart:
    start = request.start
    if start is None or start.card.network.get("kind") != SharedDenoiser.__name__:
        raise RequestError(
            f"The recipe's method begins '{request.collection}' at no start of the shared denoiser, so that there is "
            "nothing to fold into; take a method such as pretrained, or leave `fold` out."
        )
    return start


def _id(lesson: Lesson) -> str:
    return f"{lesson.parent.card.name}:{lesson.parent.card.id}" if lesson.parent else "random weights"
