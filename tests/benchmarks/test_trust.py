"""How estimates and verdicts of real captures are held beside the truth."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks import trust

TILES = {
    "psnr_noisy": np.array([20.0, 20.0, 20.0]),
    "psnr_control": np.array([28.0, 30.0, 31.0]),
    "psnr": np.array([30.0, 30.1, 30.0]),
    "risk_psnr": np.array([31.0, 30.1, np.nan]),
    "verdict": np.array(["good", "good", "suspect"]),
}


def test_estimates_are_held_beside_the_truth_where_both_are_known() -> None:
    name, count, *_, guess, mean, apart, _, _ = trust.estimated("some", TILES)
    assert (name, count) == ("some", 2)
    assert (guess, mean, apart) == pytest.approx((30.55, 0.5, 0.5))


def test_verdicts_are_counted_by_what_is_true() -> None:
    assert trust.judged("some", TILES) == [
        ["some", "good", 2, 1, 1, 0, pytest.approx(0.1)],
        ["some", "suspect", 1, 0, 0, 1, pytest.approx(-1.0)],
    ]


def test_each_capture_has_its_reference(shared_data: Path, tmp_path: Path) -> None:
    entries = yaml.safe_load(trust.catalogue(tmp_path).read_text())["collections"]
    for entry in entries.values():
        assert len(entry["source"]) == len(entry["reference"]["source"]) > 0
        assert all(Path(each).exists() for each in entry["reference"]["source"])
    assert shared_data.exists()
