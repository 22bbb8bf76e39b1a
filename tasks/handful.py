"""A handful of lots in workers, and waiting for them. Work that killed its worker is done again, alone, one by one.

Dask blames a dead worker on everything that was in it, so innocent neighbours are done again like that as well.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, as_completed
from dataclasses import replace
from threading import Lock
from typing import Any, TypeVar

from tasks import ledger
from tasks.alone import Died, alone
from tasks.calibration import Calibration
from tasks.catalog.facts import Facts
from tasks.catalog.inputs import InputRef
from tasks.collection_start import sampled_inputs
from tasks.errors import InputError
from tasks.forecast import calibrate
from tasks.lone_lots import LotDied, is_suspect, learn_alone, restore_alone
from tasks.lot_done import LotDone
from tasks.lot_job import LotJob
from tasks.lot_starts import learn_start
from tasks.lots import inputs_of
from tasks.pacing import LotLeft
from tasks.plan import Lot
from tasks.restore_lot import restore_lot
from tasks.run import LotsFailed, Run
from tasks.stores.leases import Overtaken
from tasks.survey import Surveyed, survey_refs

TOGETHER = 16  # inputs that a worker surveys at a time
_learning: defaultdict[str, Lock] = defaultdict(Lock)  # by the key of an input or a plan: handfuls wait for its start
Answer = TypeVar("Answer")


def restore_handful(
    run: Run,
    lots: tuple[Lot, ...],
    pool: Executor,
    tell: Callable[[Lot, LotDone], None] = lambda lot, done: None,
    regret: Callable[[Lot, BaseException], None] = lambda lot, error: None,
) -> dict[str, int]:
    """Restore those lots that are not done. Returns the new tiles by verdict.

    A lot that is not begun, for the run stops, is no failure.

    Args:
        tell: is called with every lot that gets done. regret: with every lot that fails, and why.

    Raises:
        LotsFailed: for some it was not possible; all others are done.
    """
    left = [lot for lot in lots if not ledger.is_done(run.work, lot.id)]
    reasons: dict[str, str] = {}
    lasting, verdicts = True, Counter[str]()
    for lot, answer in _answers(run, left, pool):
        if isinstance(answer, LotDone):
            verdicts.update(answer.verdicts)
            tell(lot, answer)
        elif not isinstance(answer, LotLeft):
            regret(lot, answer)
            lasting &= isinstance(answer, InputError | LotDied | Overtaken)
            reasons |= dict.fromkeys(inputs_of([lot]), reason_of(answer))
    if reasons:
        raise LotsFailed(reasons, lasting)
    return dict(verdicts)


def survey_all(collection: str, facts: Facts, refs: list[InputRef], pool: Executor) -> list[Surveyed]:
    """Scale, noise and size of every input, in the order of `refs`. One that kills its worker is told as unreadable."""
    some = [refs[i : i + TOGETHER] for i in range(0, len(refs), TOGETHER)]
    futures = [pool.submit(survey_refs, collection, facts, chunk) for chunk in some]
    asked = zip(some, futures, strict=True)
    return [each for chunk, future in asked for each in _surveyed(collection, facts, chunk, future, pool)]


def measured(pool: Executor, *given: Any) -> Calibration:
    """What a tile costs in a worker; nothing is known where measuring kills it, and the plan goes on without."""
    try:
        return safe(pool.submit(calibrate, *given), pool, calibrate, *given)
    except Died:
        return Calibration(0.0, 0.0, 0.0, 0)


def safe(future: "Future[Answer]", pool: Executor, work: Callable[..., Answer], *given: Any) -> Answer:
    """What a worker answers; where the call killed its workers, what a process of its own does.

    Raises:
        Died: that ended as well.
        Exception: whatever the function raises.
    """
    return pool.submit(alone, work, *given).result() if has_killed(_error(future)) else future.result()


def has_killed(error: BaseException | None) -> bool:
    """Whether that is how Dask says that worker after worker died."""
    return type(error).__name__ == "KilledWorker"  # by name, for without a Dask cluster it is not imported


def reason_of(error: BaseException) -> str:
    """Why a lot is not done, in words."""
    if has_killed(error):
        return "its workers died again and again"
    if type(error).__name__ in ("NoWorkerError", "NoValidWorkerError"):
        return "the cluster had no worker for it any more; the same command goes on from here once there is one"
    if isinstance(error, CancelledError):
        return "the cluster was lost; the same command goes on from here once it is back"
    return " ".join(str(error).split()) or type(error).__name__


def _answers(run: Run, left: list[Lot], pool: Executor) -> Iterator[tuple[Lot, LotDone | BaseException]]:
    """What becomes of each lot: those that are trusted first, then the others one by one."""
    hopeless = dict(_learn_starts(run, left, pool))
    distrusted, futures = [], {}
    for lot in left:
        if of_it := hopeless.keys() & set(inputs_of([lot])):
            yield lot, hopeless[min(of_it)]
        elif is_suspect(run.job(lot)):
            distrusted.append(lot)
        else:
            futures[pool.submit(restore_lot, run.job(lot))] = lot
    for future in as_completed(futures):
        if has_killed(error := _error(future)):
            distrusted.append(futures[future])
        else:
            yield futures[future], error or future.result()
    for lot in distrusted:
        future = pool.submit(restore_alone, run.job(lot))
        yield lot, _error(future) or future.result()


def _learn_starts(run: Run, lots: list[Lot], pool: Executor) -> Iterator[tuple[str, LotDied | LotLeft]]:
    """Have the networks fitted that several lots go on from, before they all do it at the same time. Yields failures:

    inputs that cannot be restored without.
    """
    for key, job, name in _shared_starts(run, lots):
        with _learning[key]:
            future = pool.submit(learn_start, job, name)
            if has_killed(_error(future)):
                future = pool.submit(learn_alone, job, name)
            if isinstance(error := _error(future), LotDied | LotLeft):
                yield from ((each, error) for each in ([name] if name else inputs_of(lots)))
            else:
                future.result()


def _shared_starts(run: Run, lots: list[Lot]) -> Iterator[tuple[str, LotJob, str | None]]:
    """Key, job and name of each network that several lots go on from: of large inputs, or of the collection (None)."""
    if run.request.recipe.scope != "collection":
        large = {name: lot for lot in lots for name in inputs_of([lot]) if run.entry(name).grid.shards > 1}
        yield from ((run.entry(name).key, run.job(lot), name) for name, lot in large.items())
    elif lots:
        entries = sampled_inputs(run.plan.inputs, run.request.recipe.seed, run.plan.collection)
        yield run.plan.key, replace(run.job(lots[0]), entries=entries), None


def _surveyed(
    collection: str, facts: Facts, refs: list[InputRef], future: "Future[list[Surveyed]]", pool: Executor
) -> list[Surveyed]:
    if not has_killed(_error(future)):
        return future.result()
    found: list[Surveyed] = []
    for ref in refs:
        try:
            found += pool.submit(alone, survey_refs, collection, facts, [ref]).result()
        except Died as died:
            reason = f"'{ref.uri}' ends the process that reads it ({died}); check the file, or leave it out."
            found.append(Surveyed(ref, reason=reason))
    return found


def _error(future: "Future[Any]") -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as cancelled:
        return cancelled
