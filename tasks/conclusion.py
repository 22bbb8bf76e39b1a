"""The end of a run: what it came to, kept beside the images; what is no longer needed, removed."""

import io
import time
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks import ledger
from tasks.convergence import CONVERGENCE
from tasks.fallbacks import fallbacks
from tasks.lateness import excused
from tasks.run import Outcome, Run, verdict_counts
from tasks.standing import Standing
from tasks.stores.place import Place
from tasks.stores.shards import work_array
from tasks.summary import LAST_RUN, Summary
from tasks.surveillance import Watched, taken_out, watch


def conclude(run: Run, found: Standing, outcome: Outcome, began: float) -> Summary:
    """Sum up a run and tidy its work area, which is kept only while it holds lots of inputs that are not published.

    Args:
        found: how things stood. outcome: what became of what was left.
        began: time.time() of the start.
    """
    out, recipe = run.request.out, run.request.recipe
    published, failed = set(outcome.published), {**run.plan.rejected, **outcome.failed}
    late = found.late | outcome.late | excused(found.left, run.plan.rejected)
    failed = {name: reason for name, reason in failed.items() if name not in late}
    unfinished = [ref.name for ref in found.left if ref.name not in {*published, *failed, *late}]
    counts = verdict_counts(run.work, run.plan.lots)
    shown = published | {ref.name for ref in found.done}
    _drop_superseded(out, {entry.name: entry.key for entry in run.plan.inputs if entry.name in shown})
    watched = watch(run, [lot for lot in run.plan.lots if lot.id not in outcome.before])
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
        failed=failed,
        notice=" ".join(filter(None, [*run.crew.notices, *_told(run, watched)])),
        start=watched.sentence if watched else "",
        restored=dict(verdict_counts(run.work, [lot for lot in run.plan.lots if lot.id not in outcome.before])),
        late=late,
        left=len(unfinished) + len(found.waiting),
        stopped=outcome.stopped or ("inputs" if found.waiting else ""),
        device_seconds=outcome.device_seconds,
    )
    if published or failed or outcome.stopped or late:
        out.write(LAST_RUN, summary.to_json())
    if unfinished or outcome.failed:
        _drop_shards(run, published)
    else:
        (out / ".work").remove()
    return summary


def _drop_shards(run: Run, published: set[str]) -> None:
    """What is published needs no shards, and would fill the disk while a long run goes on night after night."""
    for name in published:
        work_array(run.work, name).remove()


def _told(run: Run, watched: Watched | None) -> list[str]:
    """What somebody who looks after the starts should know."""
    start = run.request.start
    if start is None or watched is None:
        return []
    gone = taken_out(run, watched)
    return [gone or fallbacks(run.work, run.plan.lots, f"{start.card.name}:{start.card.id}").notice]


def _drop_superseded(out: Place, current: dict[str, str]) -> None:
    """Rows of images that were replaced leave the table, so that every published tile is in it once.

    So do rows that a run which died had written, where the next one wrote them into a file of another name.
    """
    folder, seen = out / CONVERGENCE, set[str]()
    for name in folder.names() if current else ():
        data = folder.read(name)
        held = pq.read_table(io.BytesIO(data), columns=["input", "key"]).group_by(["input", "key"]).aggregate([])
        keys = dict(zip(*(held.column(each).to_pylist() for each in ("input", "key")), strict=True))
        old = [each for each, key in keys.items() if current.get(each, key) != key or each in seen]
        seen |= keys.keys() & current.keys() - set(old)
        if len(old) == len(keys):
            folder.remove(name)
        elif old:
            table = pq.read_table(io.BytesIO(data))
            folder.write(name, ledger.joined([table.filter(pc.invert(pc.is_in(table.column("input"), pa.array(old))))]))
