"""Telling Prefect, the journal and the facility's monitor how far a run is, and what it came to."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.logging import get_run_logger

from flows.aside import ProgressBar, tag_run, unheard
from tasks.amounts import amount, clock
from tasks.journal import journal
from tasks.metrics import write_metrics
from tasks.pooled_noise import advice
from tasks.run import Run
from tasks.standing import Standing
from tasks.summary import Summary

TICK = 5.0  # seconds between two updates of the progress artifact
MEASURED = 15.0  # seconds between two writings of the metrics
ROWS = 200  # of an artifact's table


@contextmanager
def told(run: Run, found: Standing, began: float) -> Iterator[None]:
    """Keep the run's journal while the context lasts, say how it begins, and why it ends early if it does."""
    tally, plan = run.tally, run.plan
    tag_run(plan.collection, run.request.recipe.method.name)
    run.count_from(len(found.left), len(found.done))
    with journal(run):
        log = get_run_logger()
        facts = {"tiles": tally.tiles, "lots": tally.lots, "inputs": tally.inputs, "workers": run.crew.workers}
        log.info(
            "Run of '%s' begins: %s, %s in %s, %d of them done before; %s on %s.",
            plan.collection,
            *(amount(facts[each], each.removesuffix("s")) for each in ("inputs", "tiles", "lots")),
            tally.lots_before,
            amount(facts["workers"], "worker"),
            run.crew.device,
            extra=facts | {"method": run.request.recipe.method.name, "device": run.crew.device},
        )
        if small := advice(run.request.facts, plan.inputs):
            log.warning("%s", small)
        for name, reason in plan.rejected.items():
            log.error("Input '%s' is left out: %s", name, reason, extra={"input": name, "reason": reason})
        try:
            yield
        except BaseException as error:
            log.error("Run of '%s' ends early: %s %s", plan.collection, type(error).__name__, error)
            measure(run, "crashed" if isinstance(error, Exception) else "stopped", began)  # Ctrl-C, a signal
            raise


class Progress:
    """The progress artifact and the metrics of a run, each written at most every few seconds."""

    def __init__(self, run: Run) -> None:
        self.run, self.began = run, time.time()
        self.told = self.measured = 0.0
        self.bar = ProgressBar(f"progress-{artifact_key(run.plan.collection)}", self._share(), progress_text(run))
        self.tell()

    def tell(self, failed: int | None = None, last: bool = False) -> None:
        """How far the run is. failed: inputs that could not be restored until now."""
        now = time.monotonic()
        if failed is not None:
            self.run.tally.failed = failed + len(self.run.plan.rejected)
        if now - self.told >= TICK or last:
            self.told = now
            self.bar.tell(self._share(), progress_text(self.run), last)
        if now - self.measured >= MEASURED or last:
            self.measured = now
            measure(self.run, "running", self.began)

    def _share(self) -> float:
        return min(100.0, 100 * self.run.tally.tiles_done / max(1, self.run.tally.tiles))


def progress_text(run: Run) -> str:
    """How far a run is, in a few sentences."""
    tally = run.tally
    counts = ", ".join(f"{count} {name}" for name, count in sorted(tally.all_verdicts.items()))
    failed = f", {tally.failed} failed" if tally.failed else ""
    before = f" ({tally.inputs_before} more had been done before)" if tally.inputs_before else ""
    words = [
        f"{tally.tiles_done} of {amount(tally.tiles, 'tile')}: {counts or 'none yet'}.",
        f"{tally.published} of {amount(tally.inputs, 'input')} published{failed}{before}.",
    ]
    if tally.tiles_restored:
        to_go = tally.seconds_to_go()
        eta = f"; about {clock(to_go)} to go" if to_go else ""
        words += [
            f"{tally.recent_speed():.2f} tiles/s lately, {tally.speed():.2f} over the run{eta}.",
            f"{clock(tally.device_seconds)} of {run.crew.device} time on {amount(run.crew.workers, 'worker')}.",
        ]
    words += [f"Tried again: {tally.retries}."] if tally.retries else []
    return " ".join(words)


def tell(summary: Summary, worst: list[dict[str, Any]], run: Run, began: float) -> None:
    """What the run came to: artifacts, the last words of its journal, and its metrics. worst: tiles to look at."""
    name = summary.collection
    key = artifact_key(name)
    rows = [{"verdict": verdict, "tiles": count} for verdict, count in sorted(summary.verdicts.items())]
    with unheard("What the run came to cannot be shown in Prefect"):
        create_table_artifact(key=f"verdicts-{key}", table=rows[:ROWS], description=f"Verdicts of {name}")
        if worst:
            said = f"Tiles of {name} to look at, failed ones first"
            create_table_artifact(key=f"look-at-{key}", table=worst, description=said)
        create_markdown_artifact(key=f"summary-{key}", markdown=summary_text(summary), description=f"Summary of {name}")
    state = "failed" if not summary.is_good else "stopped" if summary.stopped else "completed"
    with journal(run):
        facts = {"state": state, "verdicts": summary.verdicts, "seconds": round(summary.seconds, 1)}
        for name, reason in summary.failed.items():
            get_run_logger().error("Input '%s' failed: %s", name, reason, extra={"input": name, "reason": reason})
        get_run_logger().info("Run ends: %s", summary.sentence(), extra=facts | {"published": summary.published})
    measure(run, state, began)


def measure(run: Run, state: str, began: float) -> None:
    """Write the metrics of a run in a state of tasks.metrics; where that fails the run goes on, and its log says so."""
    with unheard("The metrics cannot be written"):
        write_metrics(run, state, began)


def summary_text(summary: Summary) -> str:
    """The summary as Markdown: the sentence, where all is, and which inputs failed and why."""
    failed = "".join(f"\n* `{name}`: {reason}" for name, reason in list(summary.failed.items())[:50])
    more = f"\n* and {len(summary.failed) - 50} more" if len(summary.failed) > 50 else ""
    lines = [
        f"# {summary.collection}: {'good' if summary.is_good else 'look at it'}",
        summary.sentence(),
        f"Images and report: `{summary.out}` (open `report.html` there).",
        f"{summary.bad_share:.1%} of the tiles are suspect or failed; the recipe allows {summary.allowed_bad:.1%}.",
    ]
    lines += [summary.notice] if summary.notice else []
    lines += [f"## Inputs that failed\n{failed}{more}"] if failed else []
    late = "".join(f"\n* `{name}`: {reason}" for name, reason in list(summary.late.items())[:50])
    lines += [f"## Inputs that were not ready, and are left for the next run\n{late}"] if late else []
    return "\n\n".join(lines)


def artifact_key(name: str) -> str:
    """A name as Prefect lets artifacts have one."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "collection"
