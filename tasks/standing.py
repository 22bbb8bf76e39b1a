"""How things stand with a request: what is published, what was begun, what stands in the way. Only reads."""

from dataclasses import dataclass, field, replace

from tasks.catalog.document import InputRef
from tasks.errors import RequestError
from tasks.limits import Limits
from tasks.plan import PLAN, Plan
from tasks.requests import Request
from tasks.stores.showing import published_facts


@dataclass(frozen=True)
class Standing:
    """done: inputs that are published as asked for. begun: the plan of an interrupted run. left: inputs not done.

    stale: published images of other facts, recipes or files. stale_work: work areas of interrupted runs of such.
    waiting: inputs not done, beyond as many as this run may take. late: inputs to be left for the next run, and why.
    """

    done: tuple[InputRef, ...]
    left: tuple[InputRef, ...]
    begun: Plan | None
    stale: tuple[str, ...]
    stale_work: tuple[str, ...]
    waiting: tuple[InputRef, ...] = ()
    late: dict[str, str] = field(default_factory=dict)

    def within(self, limits: Limits) -> "Standing":
        """The same with as many inputs left as a run may take, those that were begun before first."""
        known = {entry.name for entry in self.begun.inputs} if self.begun else set()
        ordered = sorted((*self.left, *self.waiting), key=lambda ref: ref.name not in known)
        most = len(ordered) if limits.inputs is None else limits.inputs
        return replace(self, left=tuple(ordered[:most]), waiting=tuple(ordered[most:]))


def standing(request: Request) -> Standing:
    """How things stand."""
    done, left, stale = [], [], []
    for ref in request.inputs:
        facts = published_facts(request.out, ref.name)
        if facts is not None and facts.get("key") == request.key_of(ref):
            done.append(ref)
            continue
        left.append(ref)
        if facts is not None:
            stale.append(f"'{ref.name}' ({_difference(facts, request, ref)})")
    begun, others = _begun(request)
    if begun is not None:
        planned = {entry.name: entry.fingerprint for entry in begun.inputs}
        changed = [ref.name for ref in left if planned.get(ref.name, ref.fingerprint) != ref.fingerprint]
        stale += [f"'{name}' (its file changed during the interrupted run)" for name in changed]
        if changed:
            begun, others = None, (*others, request.key)
    return Standing(tuple(done), tuple(left), begun, tuple(stale), others)


def require_overwrite(found: Standing, request: Request) -> None:
    """Refuse to touch what another recipe, other facts or another file made.

    Raises:
        RequestError: with the reasons; nothing was touched.
    """
    if found.stale:
        more = f" and {len(found.stale) - 3} more" if len(found.stale) > 3 else ""
        raise RequestError(
            f"'{request.out.uri}' holds results of something else: {', '.join(found.stale[:3])}{more}. Give another "
            "--out, or --overwrite to replace them; each stays readable until its successor is complete."
        )
    if found.stale_work:
        raise RequestError(
            f"'{request.out.uri}' holds the work of an interrupted run with another recipe or other facts. Run that "
            "one to its end, give another --out, or --overwrite to give its work up."
        )


def _begun(request: Request) -> tuple[Plan | None, tuple[str, ...]]:
    area = request.out / ".work"
    keys = area.folders()
    others = tuple(key for key in keys if key != request.key and (area / key).exists(PLAN))
    begun = Plan.from_json(request.work.read(PLAN)) if request.work.exists(PLAN) else None
    return begun, others


def _difference(facts: dict[str, object], request: Request, ref: InputRef) -> str:
    if facts.get("fingerprint") != ref.fingerprint:
        return "its file changed since"
    if facts.get("recipe_digest") != request.recipe.digest():
        return "made by another recipe"
    return "made from other facts or by another version"
