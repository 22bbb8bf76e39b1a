"""The convergence table in memory: verdict codes, how far beyond the limits, which tiles to look at and why."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tasks.convergence import SCHEMA
from tasks.report.table import read_columns, read_row, table_files
from tasks.stores.image_facts import VERDICTS
from tasks.stores.place import Place
from tasks.tolerance import Tolerance

EMPTY, GOOD, SUSPECT, FAILED = range(4)
_LEFT_OUT = {"run", "collection", "recipe", "shard", "lot", "seed", "first_loss", "last_loss"}
_CURVE = {"curve_step", "curve_loss"}
_NUMBER = r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?!\w)"


@dataclass(frozen=True)
class Reason:
    """Why tiles are not good, with '…' where each tile has its own number."""

    text: str
    tiles: int
    inputs: int


@dataclass(frozen=True, eq=False)
class TileRows:
    """All tiles of a collection. columns: those of tasks/convergence.py but the loss curves; text as categories."""

    columns: pd.DataFrame
    out: Place
    files: tuple[str, ...]
    firsts: tuple[int, ...]  # number of the first row of each file

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.columns)

    @cached_property
    def codes(self) -> NDArray[np.int8]:
        """Verdict of each tile, as in the verdict map; 0 where nothing was restored."""
        column = self.columns["verdict"].cat
        known = {name: code for code, name in enumerate(VERDICTS)}
        table = np.array([known.get(name, EMPTY) for name in column.categories] + [EMPTY], np.int8)
        return table[column.codes.to_numpy()]

    @cached_property
    def inputs(self) -> NDArray[np.int64]:
        """Input of each tile, as its number in `names`."""
        return self.columns["input"].cat.codes.to_numpy().astype(np.int64)

    @cached_property
    def names(self) -> list[str]:
        """Names of the inputs."""
        return [str(name) for name in self.columns["input"].cat.categories]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Tiles by input and verdict, (inputs, 4)."""
        return np.bincount(self.inputs * 4 + self.codes, minlength=4 * len(self.names)).reshape(-1, 4)

    @property
    def judged(self) -> int:
        """Tiles that were restored."""
        return int(self.counts[:, GOOD:].sum())

    @property
    def bad(self) -> int:
        """Suspect and failed tiles."""
        return int(self.counts[:, SUSPECT:].sum())

    @cached_property
    def excess(self) -> NDArray[np.float64]:
        """How far each tile is beyond the limit that it breaks most, in units of it: 1 is at the limit, NaN unknown."""
        return excess(self.columns, Tolerance())

    @cached_property
    def worst_first(self) -> NDArray[np.int64]:
        """The rows that are not good: failed, then those furthest beyond a limit."""
        rows = np.flatnonzero(self.codes >= SUSPECT)
        far = np.where(self.codes[rows] == FAILED, 0.0, np.nan_to_num(self.excess[rows], nan=-1.0))
        return rows[np.lexsort((rows, -far, -self.codes[rows]))]

    def row(self, number: int) -> dict[str, Any]:
        """The columns of a tile as plain values, None where there is none."""
        return {str(name): _plain(str(name), value) for name, value in self.columns.iloc[number].items()}

    def curve(self, number: int) -> tuple[list[int], list[float]]:
        """Steps and losses of a tile's fit; empty for a direct method."""
        file = int(np.searchsorted(self.firsts, number, side="right")) - 1
        found = read_row(self.out, self.files[file], number - self.firsts[file], ["curve_step", "curve_loss"])
        steps, losses = found.get("curve_step") or [], found.get("curve_loss") or []
        return steps, losses

    def reasons(self) -> list[Reason]:
        """Why tiles are not good, the most frequent reason first. A tile may have several."""
        bad = self.codes >= SUSPECT
        column = self.columns["verdict_reason"][bad].cat.remove_unused_categories().cat
        kinds = pd.Series(column.categories.astype(str)).str.replace(_NUMBER, "…", regex=True).str.split("; ")
        pairs = kinds.explode()
        tiles = pd.DataFrame({"category": column.codes.to_numpy(), "input": self.inputs[bad]})
        found = tiles.merge(pairs.rename("kind"), left_on="category", right_index=True).groupby("kind")["input"]
        told = zip(found.size().items(), found.nunique(), strict=True)
        return sorted((Reason(str(text), int(n), int(of)) for (text, n), of in told), key=lambda each: -each.tiles)


def read_rows(out: Place) -> TileRows:
    """The table of a collection; without rows where nothing was published.

    Raises:
        RequestError: a file of the table is damaged.
    """
    wanted = [name for name in SCHEMA.names if name not in _LEFT_OUT | _CURVE]
    files = table_files(out)
    lengths = [read_columns(out, [file], ["tile"]).num_rows for file in files]
    columns = read_columns(out, files, wanted).unify_dictionaries().to_pandas(split_blocks=True, self_destruct=True)
    firsts = tuple(int(first) for first in np.cumsum([0, *lengths[:-1]]))
    return TileRows(columns, out, tuple(files), firsts if files else ())


def excess(columns: pd.DataFrame, limits: Tolerance) -> NDArray[np.float64]:
    """The largest of a tile's figures in units of its limit, above 1 beyond it; NaN where all are unknown."""
    figure = {name: columns[name].to_numpy(np.float64, na_value=np.nan) for name in _FIGURES}
    ratio = figure["residual_ratio"] - 1
    enlarged = figure["factor"] > 1  # which need not take noise out: tasks/verdicts.py
    least = np.where(enlarged, -np.inf, limits.lowest_ratio - 1)
    told = ~enlarged | (figure["residual_ratio"] > limits.lowest_ratio)
    parts = [
        np.where(ratio < 0, ratio / least, ratio / (limits.highest_ratio - 1)),
        np.where(told, figure["residual_correlation"] / limits.correlation, np.nan),
        np.where(enlarged, figure["shift"] / limits.shift, np.nan),
        (figure["noise_shown"] - 1) / (limits.noise_shown - 1),
        1 + limits.gain - figure["guide_gain"],  # the limit may be 0: each dB beyond it counts as one limit more
        figure["skill"] / limits.skill,
        figure["risk"] / limits.risk,
        figure["seam"] / limits.seam,
        np.abs(figure["residual_mean"]) / limits.brightness,
        np.abs(figure["flux"]) / limits.flux,
        np.where(enlarged, np.nan, figure["ringing"] / limits.ringing),
    ]
    found = np.fmax.reduce(parts)
    # A tile within all other limits can be suspect for its noise alone; most methods do not mind that.
    return np.where(found > 1, found, np.fmax(found, figure["noise_correlation"] / limits.noise_correlation))


_FIGURES = (
    "residual_ratio", "residual_correlation", "skill", "risk", "seam", "residual_mean", "noise_correlation", "factor",
    "shift", "guide_gain", "flux", "ringing", "noise_shown",
)  # fmt: skip


def _plain(name: str, value: Any) -> Any:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    # pandas keeps whole numbers as floats where one of the column is missing.
    if pa.types.is_integer(SCHEMA.field(name).type):
        return int(value)
    return value.item() if isinstance(value, np.generic) else value
