"""What is to be compared with what on what, checked before anything is spent."""

from dataclasses import dataclass

from tasks.catalog.facts import Facts
from tasks.catalog.inputs import InputRef
from tasks.comparison.contenders import Contender
from tasks.comparison.spoiling import Spoiling, spoiling_of
from tasks.errors import RequestError
from tasks.recipe_parts import Tiling
from tasks.requests import make_request
from tasks.stores.place import Place

MOST = 500  # trials: more task runs than that a Prefect server loses silently


@dataclass(frozen=True)
class Challenge:
    """A comparison that could begin. tiles: places per input. out: OUT/compare/<collection>."""

    collection: str
    facts: Facts
    inputs: tuple[InputRef, ...]
    contenders: tuple[Contender, ...]
    spoiling: Spoiling | None
    tiles: int
    out: Place

    @property
    def tiling(self) -> Tiling:
        """How places are cut: as the recipes want their tiles, the smallest where they differ."""
        sides = [each.recipe.tiling.tile for each in self.contenders]
        wanted = [side for side in sides if side != "auto"]
        return Tiling(tile=min(wanted) if wanted else "auto")


def make_challenge(
    source: str,
    contenders: list[Contender],
    *,
    catalog: str | None = None,
    out: str = "restored",
    tiles: int = 4,
    limit: int | None = None,
    degrade: str | None = None,
) -> Challenge:
    """Check what is asked for, by listing alone.

    Args:
        source: name of a collection, or a path, glob or URI.
        contenders: as tasks.comparison.contenders gives them.
        tiles: places of each input. limit: only so many inputs.
        degrade: compare on the references, spoiled: noise:SIGMA, blur:WIDTH or jpeg:QUALITY.

    Raises:
        RequestError: there is nothing to compare, or nothing to compare with.
    """
    if not contenders:
        raise RequestError("There is nothing to compare; give --recipe, --method or --suite.")
    request = make_request(source, contenders[0].recipe, catalog=catalog, out=out, limit=limit)
    spoiling = None if degrade is None else spoiling_of(degrade)
    inputs = [ref for ref in request.inputs if spoiling is None or ref.reference is not None]
    if not inputs:
        raise RequestError(
            f"Collection '{request.collection}' has no reference that --degrade {degrade} could spoil; name one in the "
            "catalogue, or leave --degrade out."
        )
    if len(inputs) * len(contenders) > MOST:
        raise RequestError(
            f"{len(contenders)} recipes on {len(inputs)} inputs are more than {MOST} trials; "
            f"give --limit {max(1, MOST // len(contenders))}."
        )
    where = Place(out) / "compare" / request.collection
    return Challenge(request.collection, request.facts, tuple(inputs), tuple(contenders), spoiling, tiles, where)
