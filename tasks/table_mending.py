"""Files of the convergence table that cannot be read: made again from records, or taken away, and said."""

import hashlib
import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks import ledger
from tasks.convergence import CONVERGENCE
from tasks.plan import Plan
from tasks.stores.place import Place


def mend_table(out: Place, work: Place, begun: Plan | None, done: dict[str, str]) -> tuple[str, ...]:
    """Take torn files of a collection's table away, and write their rows again where the work area still has them.

    Only under the lock.

    Args:
        out: folder of the collection. work: area of the plan that was begun.
        done: the inputs that are published, with where they lie.

    Returns:
        A sentence where something was torn.
    """
    folder, torn, known = out / CONVERGENCE, list[str](), set[str]()
    for name in folder.names():
        held = _inputs(folder.read(name))
        if held is None:
            torn.append(name)
        else:
            known |= held
    if not torn:
        return ()
    again = _from_records(work, begun, done.keys() - known)
    if again is not None:
        stamp = hashlib.blake2b("".join(torn).encode(), digest_size=6).hexdigest()
        folder.write(f"mended-{stamp}.parquet", ledger.joined([again]))
        known |= set(again.column("input").to_pylist())
    for name in torn:
        folder.remove(name)
    lost = sorted(done.keys() - known)
    told = f"The table's file '{folder.uri}/{torn[0]}'" + (f" and {len(torn) - 1} more" if len(torn) > 1 else "")
    if not lost:
        return (f"{told} could not be read, and was made again from the records of its lots.",)
    return (
        f"{told} could not be read, and was taken away: the tiles of {len(lost)} published images (the first: "
        f"'{lost[0]}') are not in the table any more. The images are whole; remove one to have it restored again, with "
        "its rows.",
    )


def _inputs(data: bytes) -> set[str] | None:
    """The inputs whose rows a file holds; None where it cannot be read to its end."""
    try:
        return set(pq.read_table(io.BytesIO(data)).column("input").to_pylist())
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return None


def _from_records(work: Place, begun: Plan | None, wanted: set[str]) -> pa.Table | None:
    """The rows of some inputs from the records of their lots, which must be readable."""
    if begun is None or not wanted:
        return None
    done = ledger.done_lots(work)
    names = pa.array(sorted(wanted), pa.string())
    tables = [ledger.record(work, lot.id).rows for lot in begun.lots if lot.id in done]
    kept = [rows.filter(pc.is_in(rows.column("input"), value_set=names)) for rows in tables]
    kept = [rows.replace_schema_metadata(None) for rows in kept if rows.num_rows]
    return pa.concat_tables(kept) if kept else None
