"""What a user asks for, checked: collection, facts, recipe, inputs and where the results go. Opens no image."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tasks.catalog.document import Facts, InputRef, facts_of, find_catalog, find_inputs, load_catalog
from tasks.errors import RequestError
from tasks.plan import PIXELS_VERSION
from tasks.recipe import Recipe
from tasks.stores.place import Place

# Facts that no pixel depends on: changing one of them re-opens nothing.
_TOLD_ONLY = {"title", "source", "licence", "reference", "psf"}


@dataclass(frozen=True)
class Request:
    """A restoration that could begin. key: of facts, recipe and code version."""

    collection: str
    facts: Facts
    recipe: Recipe
    inputs: tuple[InputRef, ...]
    out: Place  # of the collection
    key: str

    @property
    def work(self) -> Place:
        """The work area of this restoration."""
        return self.out / ".work" / self.key

    def key_of(self, ref: InputRef) -> str:
        """Names the restoration of one input."""
        return _digest([self.key, ref.name, ref.fingerprint])


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
        RequestError: no such collection, no inputs, or facts that contradict each other.
    """
    collection, facts = facts_of(source, load_catalog(find_catalog(catalog)))
    inputs = find_inputs(collection, facts)
    if limit is not None and limit < 1:
        raise RequestError(f"--limit {limit} leaves nothing to do; give 1 or more.")
    told = facts.model_dump(mode="json", exclude=_TOLD_ONLY)
    key = _digest([collection, told, recipe.digest(), PIXELS_VERSION])
    return Request(collection, facts, recipe, tuple(inputs[:limit]), Place(out) / collection, key)


def _digest(parts: list[Any]) -> str:
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()
