"""Handing out handfuls in a bounded window, and publishing groups as they get done."""

import queue
from collections import deque
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from prefect.futures import PrefectFuture

from flows.telling import TICK, Progress
from tasks.doors import publish_inputs, restore_lots
from tasks.lots import Group
from tasks.run import LotsFailed, Run

WINDOW = 16  # handfuls under way; more would only wait in the scheduler


@dataclass(frozen=True)
class Outcome:
    """published: names of inputs. failed: inputs that could not be restored or published, and why."""

    published: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def follow(run: Run, groups: list[Group], pool: Executor) -> Outcome:
    """Restore and publish all groups. A handful that fails stops nobody: its inputs are told with the reason."""
    outcome = Outcome()
    ended: queue.SimpleQueue[PrefectFuture[Any]] = queue.SimpleQueue()
    ahead = deque((group, handful) for group in groups for handful in group.handfuls)
    open_handfuls = {group.name: len(group.handfuls) for group in groups}
    under_way: dict[PrefectFuture[Any], Group] = {}
    publishing: set[PrefectFuture[Any]] = set()
    report = Progress(run)
    while ahead or under_way:
        while ahead and len(under_way) < WINDOW:
            group, handful = ahead.popleft()
            future = restore_lots.submit(group.name, run, handful, pool)
            under_way[future] = group
            future.add_done_callback(ended.put)
        try:
            future = ended.get(timeout=TICK)
        except queue.Empty:
            report.tell(len(outcome.failed))
            continue
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
            following = publish_inputs.submit(group, run, pool)
            under_way[following] = group
            publishing.add(following)
            following.add_done_callback(ended.put)
        report.tell(len(outcome.failed))
    report.tell(len(outcome.failed), last=True)
    return outcome


def _note(outcome: Outcome, group: Group, result: Any) -> None:
    if isinstance(result, LotsFailed):
        outcome.failed.update(result.reasons)
    elif isinstance(result, BaseException):
        outcome.failed.update({name: str(result) or type(result).__name__ for name in group.inputs})
    else:
        outcome.published.extend(result)
