"""How things stand with a request: what is published, what was begun, what stands in the way. Only reads."""

from dataclasses import dataclass, field, replace

from tasks import ledger
from tasks.catalog.document import InputRef
from tasks.catalog.listing import is_there
from tasks.errors import RequestError
from tasks.limits import Limits
from tasks.plan import PLAN, Plan
from tasks.planning import without
from tasks.requests import Request
from tasks.stores.showing import published_facts, published_key


@dataclass(frozen=True)
class Standing:
    """done: inputs that are published as asked for. begun: the plan of an interrupted run. left: inputs not done.

    stale: published images of other facts, recipes or files. stale_work: work areas of interrupted runs of such.
    changed: inputs that were written to since they were published or planned; they are among those left, and what an
    interrupted run made of them is no longer in `begun`.
    waiting: inputs not done, beyond as many as this run may take. late: inputs to be left for the next run, and why.
    """

    done: tuple[InputRef, ...]
    left: tuple[InputRef, ...]
    begun: Plan | None
    stale: tuple[str, ...]
    stale_work: tuple[str, ...]
    waiting: tuple[InputRef, ...] = ()
    late: dict[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()

    def within(self, limits: Limits) -> "Standing":
        """The same with as many inputs left as a run may take, those that were begun before first."""
        known = {entry.name for entry in self.begun.inputs} if self.begun else set()
        ordered = sorted((*self.left, *self.waiting), key=lambda ref: ref.name not in known)
        most = len(ordered) if limits.inputs is None else limits.inputs
        return replace(self, left=tuple(ordered[:most]), waiting=tuple(ordered[most:]))


def standing(request: Request) -> Standing:
    """How things stand."""
    done, left, stale, changed = [], [], [], set[str]()
    for ref in request.inputs:
        facts = published_facts(request.out, ref.name)
        if facts is not None and request.is_key_of(ref, facts.get("key")):
            done.append(ref)
            continue
        left.append(ref)
        if facts is not None and _is_same_file(facts, request, ref):
            changed.add(ref.name)
        elif facts is not None:
            stale.append(f"'{ref.name}' ({_difference(facts, request, ref)})")
    begun, others = _begun(request)
    gone: dict[str, str] = {}
    if begun is not None:
        planned = {entry.name: entry.fingerprint for entry in begun.inputs}
        changed |= {ref.name for ref in left if planned.get(ref.name, ref.fingerprint) != ref.fingerprint}
        gone = _gone(begun, request)
        begun = without(begun, changed | gone.keys())
    return Standing(
        tuple(done), tuple(left), begun, tuple(stale), others, late=gone, changed=tuple(sorted(changed | gone.keys()))
    )


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
    return ledger.kept_plan(request.work), others


def _is_same_file(facts: dict[str, object], request: Request, ref: InputRef) -> bool:
    """Whether an image was made of an earlier state of this very file, and nothing else is different."""
    before = replace(ref, fingerprint=str(facts.get("fingerprint")))
    return facts.get("input") == ref.uri and request.is_key_of(before, facts.get("key"))


def _gone(begun: Plan, request: Request) -> dict[str, str]:
    """Inputs of an interrupted run that are not there any more, and were not published; and what is to be said."""
    listed = {ref.name for ref in request.inputs}
    absent = [entry for entry in begun.inputs if entry.name not in listed and not is_there(entry.uri)]
    published = {entry.name for entry in absent if published_key(request.out, entry.name) == entry.key}
    return {each.name: f"'{each.uri}' is gone" for each in absent if each.name not in published}


def _difference(facts: dict[str, object], request: Request, ref: InputRef) -> str:
    if facts.get("fingerprint") != ref.fingerprint:
        return "its file changed since"
    if facts.get("recipe_digest") != request.recipe.digest(request.start_id):
        return _other_recipe(facts, request)
    return "made from other facts or by another version"


def _other_recipe(facts: dict[str, object], request: Request) -> str:
    before = facts.get("learned_start")
    if isinstance(before, str) and facts.get("recipe_digest") == request.recipe.digest(before):
        return f"made with the start {before}, and '{request.recipe.start}' is now {request.start_id}"
    return "made by another recipe"
