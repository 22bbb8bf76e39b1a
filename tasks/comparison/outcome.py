"""Trials -> what lies in OUT/compare/<collection>: table, ranking, plot, contact sheet and page."""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from tasks.comparison.challenge import Challenge
from tasks.comparison.page import page_of
from tasks.comparison.pictures import Column, contact_sheet, speed_plot, words_of
from tasks.comparison.ranking import Ranked, ranking, ranks_by
from tasks.comparison.subjects import Subject
from tasks.comparison.trial import ALONE, MEASUREMENT, MIXED, REFERENCE, Trial, measured
from tasks.measured import Pixels
from tasks.report.words import decibel, number

TABLE, RANKING, PLOT, SHEET, PAGE = "trials.parquet", "ranking.csv", "quality_and_time.png", "sheet.png", "compare.html"
_FIRST = (
    "recipe", "part", "method", "input", "place", "degrade", "psnr", "ssim", "psnr_noisy", "risk_psnr", "skill",
    "residual_ratio", "residual_correlation", "share", "steps", "seconds", "start_seconds", "status", "stop_reason",
)  # fmt: skip
_ORDER = {ALONE: 0, MIXED: 1}


@dataclass(frozen=True)
class Outcome:
    """What a comparison came to."""

    collection: str
    out: str
    by: str  # psnr, or risk_psnr where nothing has a reference
    ranked: tuple[Ranked, ...]

    def lines(self) -> list[str]:
        """The ranking, for a terminal."""
        found = []
        for each in self.ranked:
            if each.rank is None:
                found.append(f" –  {_name(each)}: {each.reason}")
                continue
            level = number(getattr(each, self.by))
            behind = "" if each.rank == 1 else f", {decibel(-(each.behind or 0.0))}"
            told = "dB" if self.by == "psnr" else "dB (estimated)"
            found.append(
                f"{each.rank:2d}. {_name(each)}: {level} {told}{behind}, {number(each.seconds, 1)} s per place"
            )
        return found

    def sentence(self) -> str:
        """Who is best, in a line."""
        best = next((each for each in self.ranked if each.rank == 1), None)
        if best is None:
            return f"Nothing could be compared on {self.collection}."
        word = "by PSNR" if self.by == "psnr" else "by estimated risk, for there is no reference"
        return f"Best on {self.collection}: {_name(best)}, {word}, over {best.places} places."


def write_outcome(challenge: Challenge, subjects: Sequence[Subject], trials: Sequence[Trial]) -> Outcome:
    """Rank, and write all of it; what an earlier comparison wrote is replaced.

    Raises:
        OSError: it cannot be written.
    """
    rows = [row for trial in trials for row in trial.rows]
    outcome = Outcome(challenge.collection, challenge.out.uri, ranks_by(rows), tuple(ranking(rows)))
    table = table_of(rows)
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    files = {
        TABLE: buffer.getvalue(),
        TABLE.replace(".parquet", ".csv"): table.to_csv(index=False).encode(),
        RANKING: pd.DataFrame([asdict(each) for each in outcome.ranked]).to_csv(index=False).encode(),
        PLOT: speed_plot(outcome.ranked, outcome.by),
        SHEET: sheet_of(outcome.ranked, subjects, trials),
    }
    for name, data in files.items():
        challenge.out.write(name, data)
    page = page_of(challenge, outcome.by, outcome.ranked, rows, files[PLOT], files[SHEET])
    challenge.out.write(PAGE, page.encode())
    return outcome


def table_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """All rows, the columns that a reader wants first; every one is there, also where all of it is null."""
    table = pd.DataFrame(rows)
    table = table.reindex(columns=[*_FIRST, *(name for name in table.columns if name not in _FIRST)])
    order = table["part"].map(_ORDER)
    return table.assign(order=order).sort_values(["input", "place", "recipe", "order"]).drop(columns="order")


def sheet_of(ranked: Sequence[Ranked], subjects: Sequence[Subject], trials: Sequence[Trial]) -> bytes:
    """Measurement, everyone's own estimate from the best to the last, reference; a row per place."""
    keys = [(subject.ref.name, place) for subject in subjects for place in range(len(subject.places))]
    given = {
        (subject.ref.name, place, kind): picture
        for subject in subjects
        for (place, kind), picture in measured(subject).items()
    }
    made = {
        (t.contender, t.input, place): p for t in trials for (place, part), p in t.pictures.items() if part == ALONE
    }
    told, mixed = (
        {(r["recipe"], r["input"], r["place"]): r for t in trials for r in t.rows if r["part"] == part}
        for part in (ALONE, MIXED)
    )
    names = list(dict.fromkeys(each.recipe for each in ranked if each.rank is not None))
    some = {(row["input"], row["place"]): row for row in told.values()}

    def noisy(key: tuple[str, int]) -> str:
        level = some.get(key, {}).get("psnr_noisy")
        return "" if level is None else f"{level:.2f} dB"

    def given_of(kind: str) -> list[Pixels | None]:
        return [given.get((*key, kind)) for key in keys]

    columns = [Column(MEASUREMENT, given_of(MEASUREMENT), [noisy(key) for key in keys])]
    for name in names:
        words = [words_of(told.get((name, *key)), mixed.get((name, *key))) for key in keys]
        columns.append(Column(name, [made.get((name, *key)) for key in keys], words))
    like = min(1, len(names))  # the best, which noise does not stretch
    if any(key[2] == REFERENCE for key in given):
        like = len(columns)
        columns.append(Column(REFERENCE, given_of(REFERENCE), [""] * len(keys)))
    places = [
        f"{subject.ref.name}, rows {box.start[3]}–{box.stop[3] - 1}, columns {box.start[4]}–{box.stop[4] - 1}"
        for subject in subjects
        for box in subject.places
    ]
    return contact_sheet(places, columns, like)


def _name(each: Ranked) -> str:
    return each.recipe if each.part == ALONE else f"{each.recipe} with control"
