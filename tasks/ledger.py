"""What is done: one record per lot, written last, beside the pixels. A lot is done exactly when its record is there.

The record is the lot's part of the convergence table (tasks/convergence.py), and carries the checksums of its shards.
Nothing else decides what is left to do: neither Prefect's states nor the presence of a shard.
"""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.convergence import SCHEMA
from tasks.errors import InputError
from tasks.plan import PLAN, Lot, Plan
from tasks.stores.place import Place

RECORDS = "lots"
ATTEMPTS = "attempts"
Checksums = dict[str, dict[int, str]]  # input -> shard -> sha256 of the stored object


@dataclass(frozen=True)
class LotRecord:
    """The record of a lot that is done."""

    rows: pa.Table
    checksums: Checksums


class TornRecord(Exception):  # noqa: N818 - the word for what was found, which is no failure of ours
    """A record that cannot be read; its lot is not done."""


class WorkGone(InputError):  # noqa: N818 - what happened
    """A late worker finds its work area gone: all of it was published, or given up, meanwhile. Not to be retried."""


def require_area(work: Place, lot: str) -> None:
    """Go on with a lot only while its work area is there.

    Raises:
        WorkGone: it is not.
    """
    if not work.exists(PLAN):
        raise WorkGone(
            f"Lot {lot} is not wanted any more: '{work.uri}' was published, or given up, by somebody else meanwhile. "
            "Nothing was written."
        )


def done_lots(work: Place) -> set[str]:
    """Ids of the lots that are done, from one listing."""
    return {name.removesuffix(".parquet") for name in work.names(RECORDS) if name.endswith(".parquet")}


def left(plan: Plan, work: Place) -> list[Lot]:
    """The lots of a plan that are not done, in the plan's order."""
    done = done_lots(work)
    return [lot for lot in plan.lots if lot.id not in done]


def commit(work: Place, lot: Lot, rows: list[dict[str, Any]], checksums: Checksums) -> None:
    """The commit point of a lot: its shards must be durable before. Doing it twice leaves the same state.

    Args:
        work: the work area of the plan.
        rows: one per tile, with the columns of the convergence table.
        checksums: of every shard of the lot.
    """
    kept = {input_: {str(shard): value for shard, value in shards.items()} for input_, shards in checksums.items()}
    metadata = {**SCHEMA.metadata, b"selfmend_checksums": json.dumps(kept, sort_keys=True).encode()}
    table = pa.Table.from_pylist(rows, schema=SCHEMA).replace_schema_metadata(metadata)
    work.write(f"{RECORDS}/{lot.id}.parquet", _parquet(table))


def record(work: Place, lot: str) -> LotRecord:
    """The record of a lot that is done.

    Raises:
        TornRecord: it is cut short or garbled, as a failing disk leaves it.
    """
    try:
        with pq.ParquetFile(io.BytesIO(work.read(f"{RECORDS}/{lot}.parquet"))) as file:
            table = file.read(use_threads=False)  # a few rows
        kept = json.loads((table.schema.metadata or {})[b"selfmend_checksums"])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise TornRecord(f"The record of lot {lot} in '{work.uri}' cannot be read ({error}); run it again.") from None
    return LotRecord(
        _with_all_columns(table),
        {name: {int(shard): value for shard, value in by.items()} for name, by in kept.items()},
    )


def _with_all_columns(table: pa.Table) -> pa.Table:
    """The rows with the columns that came after the version that wrote them, all null."""
    there = set(table.column_names)
    for field in SCHEMA:
        if field.name not in there:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(SCHEMA.names)


def forget(work: Place, lot: str) -> None:
    """Take a record back, so that its lot is done again: one of its shards is not what the record says."""
    work.remove(f"{RECORDS}/{lot}.parquet")


def mend(work: Place, lots: Iterable[Lot]) -> tuple[str, ...]:
    """Take back the records that cannot be read, so that their lots are done again. Returns the ids of these lots."""
    torn = []
    done = done_lots(work)
    for lot in lots:
        try:
            if lot.id in done:
                record(work, lot.id)
        except TornRecord:
            forget(work, lot.id)
            torn.append(lot.id)
    return tuple(torn)


def kept_plan(work: Place) -> Plan | None:
    """The plan of a work area; None where there is none, or what there is cannot be read."""
    try:
        return Plan.from_json(work.read(PLAN)) if work.exists(PLAN) else None
    except ValueError:
        return None


def is_done(work: Place, lot: str) -> bool:
    """Whether one lot is done."""
    return work.exists(f"{RECORDS}/{lot}.parquet")


def begin(work: Place, lot: str) -> int:
    """Note that a lot is begun; the number of times that it was, this one counted."""
    attempt = 1
    while work.exists(f"{ATTEMPTS}/{lot}.{attempt}"):
        attempt += 1
    work.write(f"{ATTEMPTS}/{lot}.{attempt}", b"")
    return attempt


def was_begun(work: Place, lot: str, times: int) -> bool:
    """Whether a lot was begun at least so often."""
    return work.exists(f"{ATTEMPTS}/{lot}.{times}")


def note_death(work: Place, lot: str, reason: str) -> None:
    """Note that a lot ended the process that it had for itself, so that no night tries it for ever."""
    work.write(f"{ATTEMPTS}/{lot}.died.{len(deaths(work, lot)) + 1}", reason.encode())


def deaths(work: Place, lot: str) -> list[str]:
    """The reasons of such deaths, in order."""
    found: list[str] = []
    while work.exists(name := f"{ATTEMPTS}/{lot}.died.{len(found) + 1}"):
        found.append(work.read(name).decode())
    return found


def joined(tables: Iterable[pa.Table]) -> bytes:
    """Several lots' rows as one Parquet file."""
    return _parquet(pa.concat_tables(table.replace_schema_metadata(SCHEMA.metadata) for table in tables))


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
