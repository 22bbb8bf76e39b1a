"""An input whose lots are all done: its rows join the convergence table, then its image is published."""

import hashlib
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks import ledger
from tasks.catalog.facts import Facts
from tasks.convergence import CONVERGENCE
from tasks.finer import finer
from tasks.lots import inputs_of
from tasks.measured import read_box
from tasks.plan import InputPlan, Lot
from tasks.publish import Published, PublishJob, publish_input
from tasks.readers import open_input
from tasks.recipe import Recipe
from tasks.run import Run
from tasks.stores.image_facts import VERDICTS
from tasks.stores.leases import Lease
from tasks.stores.place import Place
from tasks.stores.shards import TornShard


@dataclass(frozen=True)
class CompletionJob:
    """All that a worker needs to publish an input."""

    entry: InputPlan
    lots: tuple[str, ...]
    facts: Facts
    recipe: Recipe
    out: Place
    work: Place
    provenance: dict[str, Any]
    lease: Lease | None = None


def completion_job(run: Run, name: str, lots: list[Lot]) -> CompletionJob:
    """The job of an input; lots: those that hold a part of it."""
    entry, request = run.entry(name), run.request
    provenance = {
        "collection": run.plan.collection,
        "input": entry.uri,
        "fingerprint": entry.fingerprint,
        "facts": run.plan.facts,
        "recipe": run.plan.recipe,
        "recipe_digest": request.recipe.digest(run.plan.start),
        "learned_start": run.plan.start,
        "versions": run.plan.versions,
        "seed": request.recipe.seed,
        "noise": [{**asdict(n), "source": entry.survey.noise_source} for n in entry.survey.noise],
        "stabilised": entry.stabilised,
    }
    if entry.mask is not None:
        provenance["mask"] = entry.mask
    if entry.guide is not None:
        provenance["guide"] = entry.guide.uri
    return CompletionJob(
        entry,
        tuple(lot.id for lot in lots),
        request.facts,
        request.recipe,
        request.out,
        run.work,
        provenance,
        run.lease,
    )


def complete_input(job: CompletionJob) -> Published:
    """Publish an input. Where a shard is not what its record says, the record is taken back first.

    Raises:
        TornShard: a lot must be done again; its record is gone.
        InputError, OSError: the input cannot be read again, or the image not written.
    """
    rows, checksums = _records(job)
    array = finer(open_input(job.entry.uri, job.facts, job.entry.mask), job.entry.factor)
    start = sorted(set(rows.column("start").to_pylist()) - {"none", None})
    try:
        return publish_input(
            PublishJob(
                input=job.entry,
                out=job.out,
                work=job.work,
                source=array,
                read_source=partial(read_box, array),
                checksums={shard: checksum for shard, (checksum, _) in checksums.items()},
                verdicts=_codes(rows, job.entry.grid.tiles),
                dtype=job.recipe.output.dtype,
                chunk=job.recipe.output.chunk,
                pyramid=job.recipe.output.pyramid,
                fills=job.recipe.fill is not None,
                provenance={**job.provenance, "start": start},
                lease=job.lease,
            )
        )
    except TornShard as torn:
        ledger.forget(job.work, checksums[torn.shard][1])
        raise


def keep_rows(run: Run, name: str, inputs: list[str], lots: list[Lot]) -> None:
    """Add the rows of some inputs to the convergence table, as one file; doing it twice leaves one.

    Its name holds what it is of, for the lots of a later run with the same recipe are numbered from 0 again.
    """
    kept = [_rows_of(ledger.record(run.work, lot.id).rows, set(inputs) & set(inputs_of([lot]))) for lot in lots]
    keys = "".join(run.entry(each).key for each in inputs).encode()
    stamp = hashlib.blake2b(keys, digest_size=6).hexdigest()
    run.request.out.write(f"{CONVERGENCE}/{name}-{stamp}.parquet", ledger.joined(kept))


def _rows_of(rows: pa.Table, inputs: set[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows.column("input"), value_set=pa.array(sorted(inputs), pa.string())))


def _records(job: CompletionJob) -> tuple[pa.Table, dict[int, tuple[str, str]]]:
    """The rows of the input, and by shard its checksum and lot."""
    rows: list[pa.Table] = []
    checksums: dict[int, tuple[str, str]] = {}
    for lot in job.lots:
        record = ledger.record(job.work, lot)
        rows.append(record.rows.filter(pc.equal(record.rows.column("input"), job.entry.name)))
        checksums |= {shard: (value, lot) for shard, value in record.checksums.get(job.entry.name, {}).items()}
    return pa.concat_tables(rows), checksums


def _codes(rows: pa.Table, tiles: int) -> np.ndarray:
    """The verdict of each tile as its code in the verdict map."""
    known = {verdict: code for code, verdict in enumerate(VERDICTS)}
    codes = np.zeros(tiles, np.uint8)
    for tile, verdict in zip(rows.column("tile").to_pylist(), rows.column("verdict").to_pylist(), strict=True):
        codes[tile] = known.get(verdict, 0)
    return codes
