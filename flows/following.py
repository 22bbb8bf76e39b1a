"""Handing out handfuls in a bounded window, and publishing groups as they get done."""

import queue
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from prefect.futures import PrefectFuture
from prefect.utilities.annotations import opaque

from flows.telling import TICK, Progress
from tasks import ledger
from tasks.catalog.inputs import InputRef
from tasks.doors import publish_inputs, restore_lots
from tasks.handful import reason_of
from tasks.lateness import excused
from tasks.lots import GROUPS, HANDFULS, Group, groups_of, window_for
from tasks.pacing import device_seconds, stopped_by
from tasks.preparation import going_on_without
from tasks.run import LotsFailed, Outcome, Run

WINDOW = GROUPS + HANDFULS  # threads that wait for handfuls, at most; they begin as they are needed


def follow(run: Run, left: Sequence[InputRef], pool: Executor) -> tuple[Run, Outcome]:
    """Restore and publish inputs, as far as limits allow. One that fails stops nobody: it is told with the reason.

    Those that changed or went away meanwhile are taken out of the plan, and those that shared a lot with them get a
    second go. Returns the run with the plan as it is then.
    """
    outcome = _followed(run, groups_of(run.lots_of({ref.name for ref in left})), pool)
    late = excused(left, outcome.failed)
    if not late:
        return run, outcome
    run, again = going_on_without(run, set(late)), set(outcome.failed) - set(late)
    second = _followed(run, groups_of(run.lots_of(again)), pool)
    published = [*outcome.published, *(name for name in second.published if name not in outcome.published)]
    return run, replace(second, published=published, late=late, before=outcome.before)


def _followed(run: Run, groups: list[Group], pool: Executor) -> Outcome:
    outcome = Outcome(before=ledger.done_lots(run.work))
    ended: queue.SimpleQueue[PrefectFuture[Any]] = queue.SimpleQueue()
    ahead = deque((group, handful) for group in groups for handful in group.handfuls)
    open_handfuls = {group.name: len(group.handfuls) for group in groups}
    under_way: dict[PrefectFuture[Any], Group] = {}
    publishing: set[PrefectFuture[Any]] = set()
    window = window_for(groups, run.crew.workers)
    report = Progress(run)

    def publish(group: Group) -> None:
        following = publish_inputs.submit(_closed(group), _closed(run), pool)
        under_way[following] = group
        publishing.add(following)
        following.add_done_callback(ended.put)

    while ahead or under_way:
        while ahead and len(under_way) < window:
            group, handful = ahead.popleft()
            future = restore_lots.submit(group.name, _closed(run), _closed(handful), pool)
            under_way[future] = group
            future.add_done_callback(ended.put)
        try:
            future = ended.get(timeout=TICK)
        except queue.Empty:
            report.tell(len(outcome.failed))
            continue
        while stopped_by(pool) and ahead:
            group, _ = ahead.popleft()
            open_handfuls[group.name] -= 1
            if open_handfuls[group.name] == 0 and group not in under_way.values():
                publish(group)  # what is done of it
        group = under_way.pop(future)
        result = future.result(raise_on_failure=False)
        if future in publishing:
            publishing.remove(future)
            _note(outcome, group, result)
            continue
        if isinstance(result, BaseException):
            _note(outcome, group, result)
        open_handfuls[group.name] -= 1
        if open_handfuls[group.name] == 0:
            publish(group)
        report.tell(len(outcome.failed))
    report.tell(len(outcome.failed), last=True)
    outcome.stopped, outcome.device_seconds = stopped_by(pool), device_seconds(pool)
    return outcome


def _closed(given: Any) -> Any:
    """A parameter that Prefect does not look into.

    It would walk through all lots of the plan for each task run, and through the tally while other threads count.
    """
    return opaque(given)


def _note(outcome: Outcome, group: Group, result: Any) -> None:
    if isinstance(result, LotsFailed):
        outcome.failed.update(result.reasons)
    elif isinstance(result, BaseException):
        outcome.failed.update(dict.fromkeys(group.inputs, reason_of(result)))
    else:
        outcome.published.extend(result)
