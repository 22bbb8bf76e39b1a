"""The share of the method in the result: all, none, fixed, or by estimated risk."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from contracts.pipeline import pixels, restored
from numpy.typing import NDArray

from tasks.errors import RequestError
from tasks.recipe import load_recipe

QUICK = {"method": "zs_n2n", "method__steps": 60, "output__dtype": "float32", "control": "nlm"}
CLEAN = 60 + 40 * np.sin(np.arange(256)[:, None] / 7) * np.cos(np.arange(256) / 9)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """256 x 256 photon-limited pixels: one tile."""
    return written(tmp_path, CLEAN)


@pytest.fixture
def corner(tmp_path: Path) -> Path:
    """96 x 96 of them."""
    return written(tmp_path, CLEAN[:96, :96])


def written(folder: Path, clean: NDArray[Any]) -> Path:
    tifffile.imwrite(folder / "in.tif", np.random.default_rng(5).poisson(clean).astype(np.uint16))
    return folder / "in.tif"


def result(source: Path, name: str, **chosen: Any) -> tuple[NDArray[Any], pd.DataFrame]:
    restored(str(source), source.parent / name, **chosen)
    (collection,) = [each for each in (source.parent / name).iterdir() if each.is_dir()]
    return pixels(collection, "in"), pd.read_parquet(collection / "convergence")


@pytest.mark.parametrize("scope", ["tile", "input"])
def test_all_none_and_half(corner: Path, scope: str) -> None:
    alone, rows = result(corner, "alone", **QUICK | {"control": "none"}, scope=scope)
    assert rows["share"].isna().all()
    full, _ = result(corner, "full", **QUICK, scope=scope, share=1)
    none, _ = result(corner, "none", **QUICK, scope=scope, share=0)
    half, rows = result(corner, "half", **QUICK, scope=scope, share=0.5, stabilise="never")
    control, _ = result(corner, "nlm", method="nlm", output__dtype="float32")
    np.testing.assert_array_equal(full, alone)
    np.testing.assert_array_equal(none, control)
    parts = [result(corner, f"part{n}", **QUICK, scope=scope, share=n, stabilise="never")[0] for n in (0, 1)]
    np.testing.assert_allclose(half, (parts[0] + parts[1]) / 2, rtol=1e-4)
    assert rows["share"].tolist() == [0.5]


def test_by_risk_it_is_better_than_either(source: Path) -> None:
    mixed, rows = result(source, "auto", **QUICK | {"method__steps": 400})
    alone, _ = result(source, "full", **QUICK | {"method__steps": 400}, share=1)
    control, _ = result(source, "nlm", method="nlm", output__dtype="float32")
    error = [float(((x - CLEAN) ** 2).mean()) for x in (mixed, alone, control)]
    assert error[0] < min(error[1:])
    assert 0 < rows["share"].iloc[0] < 1
    assert rows["skill"].iloc[0] > 0
    assert rows["risk"].iloc[0] * rows["noise_sigma"].iloc[0] ** 2 == pytest.approx(error[0], abs=0.04 * 60)


def test_the_rest_needs_a_control() -> None:
    with pytest.raises(RequestError, match=r"share = 0\.3 leaves the rest to a control"):
        load_recipe(None, {"share": 0.3, "control": "none"})
