"""The ledger: done exactly when the record is there, and twice is once."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import ledger
from tasks.convergence import MEANING, SCHEMA
from tasks.plan import Lot, Part
from tasks.stores.place import Place

LOT = Lot("0000003", (Part("a/b", 0, 2),), 2, 1)
ROWS = [{"input": "a/b", "tile": tile, "finished_at": datetime(2026, 1, 1, tzinfo=UTC)} for tile in range(2)]


def test_a_lot_is_done_when_its_record_is_there(tmp_path: Path) -> None:
    work = Place(str(tmp_path))
    assert not ledger.is_done(work, LOT.id)
    assert ledger.done_lots(work) == set()
    ledger.commit(work, LOT, ROWS, {"a/b": {0: "x", 1: "y"}})
    ledger.commit(work, LOT, ROWS, {"a/b": {0: "x", 1: "y"}})
    assert ledger.done_lots(work) == {LOT.id}
    kept = ledger.record(work, LOT.id)
    assert kept.checksums == {"a/b": {0: "x", 1: "y"}}
    assert kept.rows.column("tile").to_pylist() == [0, 1]
    ledger.forget(work, LOT.id)
    assert not ledger.is_done(work, LOT.id)


def test_a_half_written_record_is_none(tmp_path: Path) -> None:
    work = Place(str(tmp_path))
    ledger.commit(work, LOT, ROWS, {})
    (tmp_path / "lots" / "0000009.parquet.partial").write_bytes(b"PAR1")
    assert ledger.done_lots(work) == {LOT.id}


@pytest.mark.parametrize("how", ["cut short", "garbled", "empty", "of something else"])
def test_a_torn_record_is_taken_back(tmp_path: Path, how: str) -> None:
    work = Place(str(tmp_path))
    other = Lot("0000004", (Part("a/b", 2, 3),), 2, 1)
    ledger.commit(work, LOT, ROWS, {})
    ledger.commit(work, other, ROWS, {})
    file = tmp_path / "lots" / f"{LOT.id}.parquet"
    whole = file.read_bytes()
    stranger = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}), stranger)
    torn = {
        "cut short": whole[: len(whole) // 2],
        "garbled": whole[::-1],
        "empty": b"",
        "of something else": stranger.getvalue(),
    }
    file.write_bytes(torn[how])
    with pytest.raises(ledger.TornRecord, match=f"lot {LOT.id} in .* cannot be read"):
        ledger.record(work, LOT.id)
    assert ledger.mend(work, [LOT, other]) == (LOT.id,)
    assert ledger.done_lots(work) == {other.id}
    assert ledger.mend(work, [LOT, other]) == ()


def test_a_record_of_an_earlier_version_gets_the_columns_that_came_since(tmp_path: Path) -> None:
    work = Place(str(tmp_path))
    other = Lot("0000004", (Part("a/b", 2, 3),), 2, 1)
    ledger.commit(work, LOT, ROWS, {})
    ledger.commit(work, other, ROWS, {})
    file = tmp_path / "lots" / f"{LOT.id}.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["seam", "device"]), file)
    whole = pq.read_table(io.BytesIO(ledger.joined(ledger.record(work, lot.id).rows for lot in (LOT, other))))
    assert whole.schema.names == SCHEMA.names
    assert whole.column("tile").to_pylist() == 2 * [0, 1]


def test_attempts_are_counted(tmp_path: Path) -> None:
    work = Place(str(tmp_path))
    assert [ledger.begin(work, "7"), ledger.begin(work, "7"), ledger.begin(work, "77")] == [1, 2, 1]


def test_every_column_is_explained() -> None:
    assert set(MEANING) == set(SCHEMA.names)
    assert all(len(meaning) > 3 for meaning in MEANING.values())
    assert SCHEMA.metadata[b"selfmend_schema"]
