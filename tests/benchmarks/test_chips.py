"""Chips as collections, of which each has its reference."""

from pathlib import Path

import tifffile
import yaml

from benchmarks import chips


def test_each_chip_has_its_reference(shared_data: Path, tmp_path: Path) -> None:
    assert shared_data.exists()
    entries = yaml.safe_load(chips.catalogue(tmp_path).read_text())["collections"]
    assert set(entries) == {f"{kind}_{how}" for kind in ("grey", "bands") for how in ("found", "pooled", "told")}
    for kind, (_, side, _, photons) in chips.KINDS.items():
        noisy, clean = (sorted((tmp_path / kind / what).iterdir()) for what in ("noisy", "clean"))
        assert [file.name for file in noisy] == [file.name for file in clean] != []
        seen, true = tifffile.imread(noisy[0]), tifffile.imread(clean[0])
        assert seen.shape == true.shape
        assert seen.shape[-2:] == (side, side)
        assert 0 <= true.min() < true.max() <= photons
