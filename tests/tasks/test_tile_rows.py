"""Which tiles are to be looked at, and why; rows found again among many files; charts that hold what they are given."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from contracts.finished import keep, row
from hypothesis import example, given, settings
from hypothesis import strategies as st

from il_models.methods import known_methods
from tasks.convergence import CONVERGENCE, SCHEMA
from tasks.report.charts import BINS, HEIGHT, WIDTH, curve, histogram, scatter, strip
from tasks.report.table import read_columns, read_row
from tasks.report.tile_rows import SUSPECT, excess, read_rows
from tasks.report.words import decibel, duration, noise, number, share, size
from tasks.stores.place import Place
from tasks.tolerance import Tolerance
from tasks.verdicts import verdict

FIGURES = ("residual_ratio", "residual_correlation", "residual_mean", "noise_correlation", "risk")
UNKNOWN = dict.fromkeys(("skill", "seam", "guide_gain", "flux", "ringing", "noise_shown"))


@given(
    st.fixed_dictionaries(
        {name: st.floats(-1, 2) for name in FIGURES}
        | {name: st.none() | st.floats(-3, 3) for name in UNKNOWN}
        | {"factor": st.sampled_from([1, 2]), "shift": st.none() | st.floats(0, 3)}
    )
)
@example(dict.fromkeys(FIGURES, 0.0) | {"residual_ratio": 1.0} | {"factor": 1, "shift": 1.0} | UNKNOWN)
@settings(max_examples=300, deadline=None)
def test_beyond_a_limit_is_what_the_verdict_calls_suspect(figures):
    found, _ = verdict(row("a", 0) | figures, known_methods()["zs_n2n"]())
    columns = pd.DataFrame([figures]).astype(float)
    # Rounding: exactly at a limit, a quotient and a comparison may differ.
    assert (excess(columns, Tolerance())[0] > 1) == (found == "suspect") or math.isclose(
        excess(columns, Tolerance())[0], 1
    )


def test_failed_tiles_come_first_then_the_furthest_beyond(tmp_path):
    out = Place(str(tmp_path))
    ratios = (0.8, 0.4, 1.0, 1.9, math.nan)
    keep(
        out,
        [row("a", n, code=2, residual_ratio=ratio) for n, ratio in enumerate(ratios)] + [row("a", 5), row("b", 0, 3)],
    )
    rows = read_rows(out)
    assert rows.worst_first.tolist() == [6, 3, 1, 0, 2, 4]
    assert (rows.judged, rows.bad, rows.names) == (7, 6, ["a", "b"])
    assert rows.counts.tolist() == [[0, 1, 5, 0], [0, 0, 0, 1]]
    assert rows.excess[1] == pytest.approx((1 - 0.4) / (1 - Tolerance().lowest_ratio))


def test_whole_numbers_stay_whole_where_some_are_missing(tmp_path):
    keep(Place(str(tmp_path)), [row("a", 0, steps=100), row("a", 1, steps=None)])
    found = [read_rows(Place(str(tmp_path))).row(n)["steps"] for n in (0, 1)]
    assert found == [100, None]
    assert isinstance(found[0], int)


def test_reasons_are_told_without_each_tiles_number(tmp_path):
    out = Place(str(tmp_path))
    told = (
        "only 0.71 of the expected noise was removed; the classical control is better by 1.2 dB",
        "only 0.80 of the expected noise was removed",
        "the noise of neighbouring pixels is correlated (0.31), and zs_n2n assumes it is not",
        "what was removed is correlated (-1e-05): structure may be gone",
    )
    keep(out, [row(f"{n % 2}", n, code=2, verdict_reason=reason) for n, reason in enumerate(told)] + [row("2", 0)])
    found = {each.text: (each.tiles, each.inputs) for each in read_rows(out).reasons()}
    assert found == {
        "only … of the expected noise was removed": (2, 2),
        "the classical control is better by … dB": (1, 1),
        "the noise of neighbouring pixels is correlated (…), and zs_n2n assumes it is not": (1, 1),
        "what was removed is correlated (…): structure may be gone": (1, 1),
    }


def test_an_unknown_verdict_and_an_empty_table(tmp_path):
    assert len(read_rows(Place(str(tmp_path)))) == 0
    keep(Place(str(tmp_path)), [row("a", 0, verdict=""), row("a", 1, verdict=None), row("a", 2, verdict="excellent")])
    assert read_rows(Place(str(tmp_path))).codes.tolist() == [0, 0, 0]


@pytest.mark.parametrize("uri", ["{}", "memory://rows"])
def test_curves_are_found_among_files_and_row_groups(tmp_path, uri):
    out = Place(uri.format(tmp_path))
    for file, first in (("b", 7), ("a", 0)):
        made = [row("a", n, curve_loss=[float(n), 1.0], curve_step=[1, n]) for n in range(first, first + 7)]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(made, schema=SCHEMA), sink, row_group_size=3)
        out.write(f"{CONVERGENCE}/{file}.parquet", sink.getvalue().to_pybytes())
    rows = read_rows(out)
    for tile in range(14):
        assert rows.row(tile)["tile"] == tile
        assert rows.curve(tile) == ([1, tile], [float(tile), 1.0])
    with pytest.raises(IndexError):
        read_row(out, f"{CONVERGENCE}/a.parquet", 7, ["tile"])
    assert read_row(out, f"{CONVERGENCE}/a.parquet", 2, ["tile", "of_a_later_version"]) == {"tile": 2}
    out.remove()


def test_columns_of_no_file():
    found = read_columns(Place("memory://none"), [], ["input", "skill"])
    assert (found.num_rows, found.column_names) == (0, ["input", "skill"])


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=60),
    st.sampled_from([(), (0.85, 1.15), (-0.5,)]),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_a_histogram_holds_every_value(values, limits, whole):
    values = np.array(values) if not whole else np.round(values)
    codes = np.arange(values.size, dtype=np.int8) % 4
    found = histogram(values, codes, limits, whole)
    if found is None:
        assert not np.isfinite(values).any()
        return
    assert found.count == np.isfinite(values).sum()
    assert 1 <= found.highest <= found.count
    assert len({bar.x for bar in found.bars}) <= BINS
    for bar in found.bars:
        assert 0 <= bar.x <= WIDTH
        assert -1e-6 <= bar.y <= HEIGHT
    for mark in (*found.limits, *found.ticks):
        assert -1e-6 <= mark.at <= WIDTH * (1 + 1e-6)
    assert len({tick.text for tick in found.ticks}) == len(found.ticks)


def test_rare_bad_tiles_stay_visible():
    codes = np.ones(100_000, np.int8)
    codes[0] = SUSPECT
    (bad,) = (bar for bar in histogram(np.full(100_000, 3.0), codes).bars if bar.code == SUSPECT)
    assert bar_is_visible(bad.height)
    counts = np.tile([0, 999, 1, 0], (250, 1))
    bars = strip(counts)
    assert len({bar.x for bar in bars}) == 100
    assert all(bar_is_visible(bar.height) for bar in bars)


def bar_is_visible(height):
    return height >= 1


def test_whole_numbers_have_whole_ticks():
    found = histogram(np.full(5, 300.0), np.ones(5, np.int8), whole=True)
    assert "300" in [tick.text for tick in found.ticks]
    assert all("." not in tick.text for tick in found.ticks)


def test_estimated_against_true():
    x, y = np.array([20.0, 30, math.nan, 40]), np.array([21.0, 31, 5, 41])
    found = scatter(x, y, np.ones(4, np.int8))
    assert (found.count, found.mean_error, found.mean_absolute_error) == (3, 1, 1)
    assert scatter(x, np.full(4, math.nan), np.ones(4, np.int8)) is None
    many = scatter(np.arange(5000.0), np.arange(5000.0), np.ones(5000, np.int8))
    assert (many.count, len(many.points)) == (5000, 1500)


@pytest.mark.parametrize("losses", [[9.0, 3, 2], [1000.0, 3, 2], [-1.0, -2, -3], [5.0, 5, 5], [1e-9, 1e-9, 2e-9]])
def test_curves_stay_inside_their_frame(losses):
    found = curve([1, 50, 100], losses, 50)
    points = np.array([point.split(",") for point in found.line.split()], float)
    assert (points >= 0).all()
    assert (points <= [WIDTH, HEIGHT]).all()
    assert found.kept == pytest.approx(WIDTH * 49 / 99)
    assert found.y_ticks
    assert all(-1e-6 <= tick.at <= HEIGHT + 1e-6 for tick in found.y_ticks)


def test_what_is_no_curve():
    assert curve([], [], None) is None
    assert curve([1, 2, 3], [math.nan, 4.0, math.inf], 1) is None


def test_numbers_in_words():
    assert [number(value) for value in (None, math.nan, 0, -0.126, 12345.678, 1e6, 1e-5)] == [
        "–", "–", "0.00", "−0.13", "12,345.68", "1.00e+06", "1.00e-05",
    ]  # fmt: skip
    assert [decibel(value) for value in (0.54, -0.01, -2, None)] == ["+0.5 dB", "+0.0 dB", "−2.0 dB", "–"]
    assert [share(value) for value in (0, 1e-5, 0.0514, 0.99999, 1)] == [
        "0.0 %", "less than 0.1 %", "5.1 %", "more than 99.9 %", "100.0 %",
    ]  # fmt: skip
    assert [duration(value) for value in (0.2, 61, 3600, 90_061)] == ["0 s", "1 min 1 s", "1 h", "1 d 1 h"]
    assert [size(value) for value in (None, math.nan, 512, 3 * 2**30)] == ["", "", "512 B", "3.0 GiB"]


def test_where_noise_is_known_from():
    affine = {"kind": "affine", "gain": [1.0], "variance": [0.0], "inputs": 1200}
    assert noise({"noise": "estimate"}) == noise({"noise": {"kind": "speckle", "looks": "estimate"}})
    assert noise({"noise": "estimate"}) == "found in each input"
    assert noise({"noise": affine}) == "found in 1,200 inputs together"
    assert noise({"noise": {"kind": "camera", "gain": 2.0}}) == "told: camera"
    assert noise({"noise": {"kind": "none"}}) == "none"
