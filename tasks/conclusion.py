"""The end of a run: what it came to, kept beside the images; what is no longer needed, removed."""

import io
import time
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from tasks import ledger
from tasks.convergence import CONVERGENCE
from tasks.fallbacks import fallbacks
from tasks.run import Run, verdict_counts
from tasks.standing import Standing
from tasks.stores.place import Place
from tasks.summary import LAST_RUN, Summary


def conclude(run: Run, found: Standing, published: list[str], failed: dict[str, str], began: float) -> Summary:
    """Sum up a run and tidy its work area, which is kept only while it holds lots of inputs that are not published.

    Args:
        published: inputs that this run made visible. failed: inputs that could not be restored, and why.
        began: time.time() of the start.
    """
    out, recipe = run.request.out, run.request.recipe
    counts = verdict_counts(run.work, run.plan.lots)
    _drop_superseded(out, {entry.name: entry.key for entry in run.plan.inputs if entry.name in published})
    summary = Summary(
        collection=run.plan.collection,
        out=out.uri,
        run=run.id,
        method=recipe.method.name,
        recipe=recipe.model_dump(mode="json"),
        workers=run.crew.workers,
        device=run.crew.device,
        published=len(published),
        done_before=len(found.done),
        tiles=sum(counts.values()),
        verdicts=dict(counts),
        seconds=time.time() - began,
        allowed_bad=recipe.bad_tiles,
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        failed={**run.plan.rejected, **failed},
        notice=_notice(run),
    )
    if published or summary.failed:
        out.write(LAST_RUN, summary.to_json())
    if not failed:
        (out / ".work").remove()
    return summary


def _notice(run: Run) -> str:
    start, told = run.request.recipe.learned_start(), list(run.crew.notices)
    if start is not None:
        told.append(fallbacks(run.work, run.plan.lots, f"{start.card.name}:{start.card.id}").notice)
    return " ".join(filter(None, told))


def _drop_superseded(out: Place, current: dict[str, str]) -> None:
    """Rows of images that were replaced leave the table, so that every published tile is in it once."""
    folder = out / CONVERGENCE
    for name in folder.names():
        table = pq.read_table(io.BytesIO(folder.read(name)))
        old = [
            current.get(row, key) != key
            for row, key in zip(*(table.column(c).to_pylist() for c in ("input", "key")), strict=True)
        ]
        if all(old):
            folder.remove(name)
        elif any(old):
            folder.write(name, ledger.joined([table.filter(pa.array([not each for each in old]))]))
