"""The harness of super-resolution gives the published figures: grid, kernel, luminance and border are theirs."""

from pathlib import Path

import pytest
import torch

from benchmarks import images, zooming
from il_models.methods.zssr import ZeroShotSuperResolution


@pytest.fixture
def pictures(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Whole pictures by name."""
    monkeypatch.setattr(images, "DATA", shared_data)
    return zooming.pictures()


def test_bicubic_has_its_published_figures(pictures: dict[str, torch.Tensor]) -> None:
    """Whole sets were published to 0.01 dB, single pictures by people whose resizers differ in the last bit."""
    ideal = zooming.degradation("ideal")
    for name, published in zooming.BICUBIC.items():
        x = zooming.cut(pictures[name], 2)
        small = zooming.rounded(ideal(x))
        assert zooming.score(ideal.guess(small), x, 2) == pytest.approx(published, abs=0.03)


def test_half_a_pixel_costs_a_decibel(pictures: dict[str, torch.Tensor]) -> None:
    direct, ideal = zooming.degradation("g2.0 direct"), zooming.degradation("ideal")
    for name, published in zooming.DIRECT.items():
        x = zooming.cut(pictures[name], 2)
        small = zooming.rounded(direct(x))
        blind = zooming.score(ideal.guess(small), x, 2)
        assert blind == pytest.approx(published, abs=0.02)
        assert 0.7 < zooming.score(direct.guess(small), x, 2) - blind < 1.3


def test_rows_become_tables(
    pictures: dict[str, torch.Tensor],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zooming, "gates", list)
    method = ZeroShotSuperResolution(steps=2, width=4, depth=2, crop=16)
    row = zooming.measured(pictures["butterfly"][..., :48, :48], "ideal", 3, method, torch.device("cpu"))
    assert row["size"] == "16 x 16"
    assert len(row["psnr"]) == 1
    rows = tmp_path / "zooming.jsonl"
    with rows.open("w") as file:
        zooming._keep(file, row | {"kind": "picture", "name": "butterfly", "method": "zssr", "machine": "one"})
    zooming.write([rows], "")
    assert "| butterfly | 16 x 16 | ideal x3 | zssr |" in capsys.readouterr().out
