"""The convergence table of a collection, read column by column; never more of it than is asked for."""

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.convergence import CONVERGENCE, SCHEMA
from tasks.errors import RequestError
from tasks.stores.place import Place

_BATCH = 4096  # rows of loss curves held at a time


def table_files(out: Place) -> list[str]:
    """The files of the table, by their names below the collection's folder; none where nothing was published."""
    return [f"{CONVERGENCE}/{name}" for name in out.names(CONVERGENCE) if name.endswith(".parquet")]


def read_columns(place: Place, files: list[str], columns: list[str]) -> pa.Table:
    """Some columns of some files, one below the other, with text as dictionaries. A column that a file lacks is null.

    Args:
        place: folder that the names of the files are relative to.
        columns: of tasks/convergence.SCHEMA.

    Raises:
        RequestError: a file is not Parquet.
    """
    wanted = pa.schema([(name, _kind(SCHEMA.field(name).type)) for name in columns])
    tables = [_columns(place, file, wanted) for file in files]
    return pa.concat_tables(tables) if tables else wanted.empty_table()


def read_row(place: Place, file: str, row: int, columns: list[str]) -> dict[str, Any]:
    """Some columns of one row; memory stays small, also where the file holds a million rows and their loss curves."""
    with _opened(place, file) as parquet:
        known = [name for name in columns if name in parquet.schema_arrow.names]
        for first, batch in _batches(parquet, row, known):
            if row < first + batch.num_rows:
                return batch.slice(row - first, 1).to_pylist()[0]
    raise IndexError(f"'{file}' has no row {row}.")


def bad_tiles(out: Place, most: int) -> list[dict[str, Any]]:
    """Tiles that are not good, failed ones first, as input, tile, verdict and reason. Reads a file at a time."""
    found: dict[str, list[dict[str, Any]]] = {"failed": [], "suspect": []}
    for file in table_files(out):
        table = read_columns(out, [file], ["input", "tile", "verdict", "verdict_reason"])
        for verdict, kept in found.items():
            bad = table.filter(pc.equal(table.column("verdict"), verdict)).slice(0, most - len(kept))
            kept += bad.rename_columns(["input", "tile", "verdict", "reason"]).to_pylist()
    return [*found["failed"], *found["suspect"]][:most]


def _batches(parquet: pq.ParquetFile, row: int, columns: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of the row group that holds a row, in batches, each with the number of its first row."""
    first = 0
    for group in range(parquet.num_row_groups):
        rows = parquet.metadata.row_group(group).num_rows
        if row < first + rows:
            for batch in parquet.iter_batches(_BATCH, [group], columns):
                yield first, batch
                first += batch.num_rows
            return
        first += rows


def _kind(kind: pa.DataType) -> pa.DataType:
    return pa.dictionary(pa.int32(), kind) if kind == pa.string() else kind


def _columns(place: Place, file: str, wanted: pa.Schema) -> pa.Table:
    with _opened(place, file) as parquet:
        rows, known = parquet.metadata.num_rows, set(parquet.schema_arrow.names)
        texts = [field.name for field in wanted if field.name in known and pa.types.is_dictionary(field.type)]
    with _opened(place, file, texts) as parquet:
        table = parquet.read([field.name for field in wanted if field.name in known])
    found = [
        table.column(field.name).cast(field.type) if field.name in known else pa.nulls(rows, field.type)
        for field in wanted
    ]
    return pa.table(found, schema=wanted)


def _opened(place: Place, file: str, texts: list[str] | None = None) -> pq.ParquetFile:
    """texts: columns to read as dictionaries; each must be there."""
    source = str(place.local / file) if place.local else io.BytesIO(place.read(file))
    try:
        return pq.ParquetFile(source, read_dictionary=texts)
    except pa.ArrowInvalid as error:
        raise RequestError(
            f"'{place.uri}/{file}' is not a part of a convergence table ({error}); move it away, and run again."
        ) from error
