"""Handing out handfuls in a bounded window, publishing groups as they get done, and telling Prefect how far it is."""

import queue
import re
import time
from collections import Counter, deque
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.futures import PrefectFuture

from tasks.doors import publish_inputs, restore_lots
from tasks.lots import GROUPS, HANDFULS, Group, window_for
from tasks.run import LotsFailed, Run
from tasks.summary import Summary

WINDOW = GROUPS + HANDFULS  # threads that wait for handfuls, at most; they begin as they are needed
TICK = 5.0  # seconds between two updates of the progress artifact


@dataclass(frozen=True)
class Outcome:
    """published: names of inputs. failed: inputs that could not be restored or published, and why."""

    published: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def follow(run: Run, groups: list[Group], pool: Executor) -> Outcome:
    """Restore and publish all groups. A handful that fails stops nobody: its inputs are told with the reason."""
    outcome, verdicts = Outcome(), Counter[str]()
    ended: queue.SimpleQueue[PrefectFuture[Any]] = queue.SimpleQueue()
    ahead = deque((group, handful) for group in groups for handful in group.handfuls)
    open_handfuls = {group.name: len(group.handfuls) for group in groups}
    under_way: dict[PrefectFuture[Any], Group] = {}
    publishing: set[PrefectFuture[Any]] = set()
    window = window_for(groups, run.crew.workers)
    report = _Progress(run, sum(lot.tiles for lot in run.plan.lots))
    while ahead or under_way:
        while ahead and len(under_way) < window:
            group, handful = ahead.popleft()
            future = restore_lots.submit(group.name, run, handful, pool)
            under_way[future] = group
            future.add_done_callback(ended.put)
        try:
            future = ended.get(timeout=TICK)
        except queue.Empty:
            report.tell(verdicts)
            continue
        group = under_way.pop(future)
        result = future.result(raise_on_failure=False)
        if future in publishing:
            publishing.remove(future)
            _note(outcome, group, result)
            continue
        if isinstance(result, BaseException):
            _note(outcome, group, result)
        else:
            verdicts.update(result)
        open_handfuls[group.name] -= 1
        if open_handfuls[group.name] == 0:
            following = publish_inputs.submit(group, run, pool)
            under_way[following] = group
            publishing.add(following)
            following.add_done_callback(ended.put)
        report.tell(verdicts)
    report.tell(verdicts, last=True)
    return outcome


def tell(summary: Summary) -> None:
    """The run's summary as artifacts: a table of verdicts, and the report's sentence with where to find all."""
    key = artifact_key(summary.collection)
    rows = [{"verdict": name, "tiles": count} for name, count in sorted(summary.verdicts.items())]
    create_table_artifact(key=f"verdicts-{key}", table=rows[:200], description=f"Verdicts of {summary.collection}")
    failed = "".join(f"\n* `{name}`: {reason}" for name, reason in list(summary.failed.items())[:50])
    lines = [
        f"# {summary.collection}: {'good' if summary.is_good else 'look at it'}",
        summary.sentence(),
        f"Images and report: `{summary.out}` (open `report.html` there).",
        f"{summary.bad_share:.1%} of the tiles are suspect or failed; the recipe allows {summary.allowed_bad:.1%}.",
    ]
    lines += [summary.notice] if summary.notice else []
    text = "\n\n".join(lines) + (f"\n\n## Inputs that failed\n{failed}" if failed else "")
    create_markdown_artifact(key=f"summary-{key}", markdown=text, description=f"Summary of {summary.collection}")


def _note(outcome: Outcome, group: Group, result: Any) -> None:
    if isinstance(result, LotsFailed):
        outcome.failed.update(result.reasons)
    elif isinstance(result, BaseException):
        outcome.failed.update({name: str(result) or type(result).__name__ for name in group.inputs})
    else:
        outcome.published.extend(result)


class _Progress:
    """The progress artifact, updated at most every few seconds."""

    def __init__(self, run: Run, tiles: int) -> None:
        self.tiles = max(1, tiles)
        self.before = run.done_tiles
        self.began = self.told = time.monotonic()
        self.artifact: Any = create_progress_artifact(
            progress=100 * self.before / self.tiles,
            key=f"progress-{artifact_key(run.plan.collection)}",
            description=f"{self.before} of {tiles} tiles restored",
        )

    def tell(self, verdicts: Counter[str], last: bool = False) -> None:
        """Tiles, tiles per second, time to go, verdicts."""
        now = time.monotonic()
        if now - self.told < TICK and not last:
            return
        self.told = now
        done = sum(verdicts.values())
        speed = done / max(1e-6, now - self.began)
        left = max(0, self.tiles - self.before - done)
        to_go = f", {left / speed:.0f} s to go" if speed and left else ""
        counts = ", ".join(f"{count} {name}" for name, count in sorted(verdicts.items()))
        update_progress_artifact(
            self.artifact,
            progress=min(100.0, 100 * (self.before + done) / self.tiles),
            description=f"{self.before + done} of {self.tiles} tiles, {speed:.2f} tiles/s{to_go}: {counts}",
        )


def artifact_key(name: str) -> str:
    """A name as Prefect lets artifacts have one."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "collection"
