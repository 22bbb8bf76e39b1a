"""What a user asks for, checked: collection, facts, recipe, inputs and where the results go.

Opens no image, but for the size of a pixel that a point spread function needs and no fact states, and for noise that
is to be found in all inputs together and was not yet.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from tasks import ledger
from tasks.catalog.document import Facts, InputRef, facts_of, find_catalog, find_inputs, load_catalog
from tasks.errors import RequestError
from tasks.instrument import looked_at
from tasks.plan import PIXELS_VERSION, PLAN
from tasks.pooled_noise import with_noise
from tasks.recipe import Recipe
from tasks.registry.artifact import LearnedStart
from tasks.registry.loading import known_starts, registry_place
from tasks.registry.pinned import resumed_start
from tasks.registry.states import quarantined_for
from tasks.registry.suited import start_instead
from tasks.stores.place import Place
from tasks.treatment import settled_facts


@dataclass(frozen=True)
class Request:
    """A restoration that could begin. key: of facts, recipe and code version. start: the learned one, if any.

    former: keys under starts that were quarantined for the collection. What was published with one of them stands:
    every tile of it was held against the control.
    """

    collection: str
    facts: Facts
    recipe: Recipe
    inputs: tuple[InputRef, ...]
    out: Place  # of the collection
    key: str
    start: LearnedStart | None = None
    former: tuple[str, ...] = ()

    @property
    def start_id(self) -> str | None:
        """Id of the learned start; the recipe's word for it may come to stand for another one."""
        return self.start.card.id if self.start else None

    @property
    def work(self) -> Place:
        """The work area of this restoration."""
        return self.out / ".work" / self.key

    def key_of(self, ref: InputRef) -> str:
        """Names the restoration of one input."""
        return _digest([self.key, ref.name, ref.fingerprint])

    def is_key_of(self, ref: InputRef, key: object) -> bool:
        """Whether a published image is what is asked for, or was until its start was quarantined."""
        return key in [_digest([each, ref.name, ref.fingerprint]) for each in (self.key, *self.former)]


def make_request(
    source: str, recipe: Recipe, *, catalog: str | None = None, out: str = "restored", limit: int | None = None
) -> Request:
    """Check what is asked for, by listing alone.

    Args:
        source: name of a collection, or a path, glob or URI.
        recipe: as tasks.recipe.load_recipe gives it.
        catalog: file of the catalogue; None: ./data_catalog.yaml, or the one that ships.
        out: folder or URI for the results; the collection gets a folder of its own in it.
        limit: take only so many inputs.

    Raises:
        RequestError: no such collection, no inputs, facts that contradict each other or the recipe, or a start that is
            gone.
    """
    collection, facts = facts_of(source, load_catalog(find_catalog(catalog)))
    facts = looked_at(recipe, facts)
    inputs = find_inputs(collection, facts)
    if limit is not None and limit < 1:
        raise RequestError(f"--limit {limit} leaves nothing to do; give 1 or more.")
    start, gone = _suited(recipe, collection)
    place = Place(out) / collection
    facts = with_noise(collection, settled_facts(collection, facts, recipe, inputs[0].uri), inputs, place)
    key, *former = (_key(collection, facts, recipe, each) for each in (start.card.id if start else None, *gone))
    chosen = tuple(inputs[:limit])
    return _as_begun(Request(collection, facts, recipe, chosen, place, key, start, tuple(former)))


def _suited(recipe: Recipe, collection: str) -> tuple[LearnedStart | None, tuple[str, ...]]:
    """The start of a recipe, or one in place of that which is quarantined for the collection; and ids of such.

    A start that is called by its id or path is taken as it is, and so is one that nothing can take the place of.
    """
    start = recipe.learned_start()
    if start is None or recipe.start not in ("auto", start.card.name):
        return start, ()
    gone = tuple(each.id for each in known_starts() if collection in quarantined_for(registry_place(), each.id))
    other = start_instead(start, collection) if start.card.id in gone else None
    return other or start, tuple(id_ for id_ in gone if other or id_ != start.card.id)


def _as_begun(request: Request) -> Request:
    """The request as an interrupted run has begun it, where the name of its start stands for another one by now."""
    area = request.out / ".work"
    if request.start is None or request.work.exists(PLAN):
        return request
    for key in area.folders():
        plan = ledger.kept_plan(area / key)
        if plan is None or plan.start is None or plan.recipe.get("start") != request.recipe.start:
            continue
        if key == _key(request.collection, request.facts, request.recipe, plan.start):
            return replace(request, key=key, start=resumed_start(area / key, plan.start))
    return request


def _key(collection: str, facts: Facts, recipe: Recipe, start: str | None) -> str:
    return _digest([collection, facts.bearing(), recipe.digest(start), PIXELS_VERSION])


def _digest(parts: list[Any]) -> str:
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()
