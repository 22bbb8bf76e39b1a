"""A group of inputs whose lots have ended: those that are whole are published. Torn shards are done again."""

from concurrent.futures import Executor
from functools import partial

from tasks import ledger
from tasks.completion import complete_input, completion_job, keep_rows
from tasks.handful import restore_handful, safe
from tasks.journal import Log, note_failed_lot, note_group, note_lot, note_published
from tasks.lots import Group, inputs_of
from tasks.run import Run
from tasks.stores.shards import TornShard


def publish_group(group: Group, run: Run, pool: Executor, log: Log) -> list[str]:
    """Publish the inputs of a group whose lots are all done. Returns their names.

    Raises:
        InputError, OSError: an input cannot be read again, or an image not be written.
        LotsFailed: a shard was torn, and its lot cannot be done again.
    """
    lots = [lot for handful in group.handfuls for lot in handful]
    open_inputs = set(inputs_of(lot for lot in lots if not ledger.is_done(run.work, lot.id)))
    ready = [name for name in group.inputs if name not in open_inputs]
    if ready:
        keep_rows(run, f"{run.plan.key}-{lots[0].id}", ready, [lot for lot in lots if ledger.is_done(run.work, lot.id)])
    jobs = {name: completion_job(run, name, [lot for lot in lots if name in inputs_of([lot])]) for name in ready}
    futures = {name: pool.submit(complete_input, job) for name, job in jobs.items()}
    clipped: dict[str, dict[str, int]] = {}
    for name, future in futures.items():
        try:
            published = safe(future, pool, complete_input, jobs[name])
        except TornShard as torn:
            log.warning("%s", torn, extra={"input": name})
            restore_handful(run, tuple(lots), pool, partial(note_lot, log, run), partial(note_failed_lot, log))
            published = pool.submit(complete_input, jobs[name]).result()
        note_published(run, name, published.bytes_written, published.clipped)
        clipped |= {name: published.clipped} if any(published.clipped.values()) else {}
    note_group(log, group, ready, clipped)
    return ready
