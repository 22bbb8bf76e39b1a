"""Telling Prefect how far a run is, and what it came to."""

import re
import time
from collections import Counter
from typing import Any

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from tasks.run import Run
from tasks.summary import Summary

TICK = 5.0  # seconds between two updates of the progress artifact


class Progress:
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


def artifact_key(name: str) -> str:
    """A name as Prefect lets artifacts have one."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "collection"
