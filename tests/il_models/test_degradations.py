"""Every degradation keeps the contract."""

import pytest
import torch
from contracts.degradation import Case, DegradationContract
from torch import Tensor

from il_models.degradations import (
    Blur,
    Compose,
    Downsample,
    Guided,
    Identity,
    Mask,
    Spectral,
    Subsample,
    gaussian_psf,
)


def psfs(*shape: int) -> Tensor:
    """Smooth PSFs with a sharp middle, which loses no frequency, in float64."""
    made = torch.rand(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    made[..., shape[-2] // 2, shape[-1] // 2] += made.sum((-1, -2))
    return made / made.sum((-1, -2), keepdim=True)


def mixing(*shape: int) -> Tensor:
    """Weights by which bands are mixed, in float64."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def guide(A: Downsample | Subsample) -> Guided:
    """With a guide of two bands for three tiles of 12 x 16 px."""
    nothing = torch.zeros(3, 1, 6, 8, dtype=torch.bool)
    return Guided(
        A, torch.zeros(3, 2, 12, 16, dtype=torch.float64), torch.ones(3, 1, 12, 16, dtype=torch.bool), nothing
    )


CASES = {
    "blur, direct": Case(Blur(psfs(1, 1, 3, 5)), (3, 2, 9, 12)),
    "blur, by frequencies": Case(Blur(psfs(3, 2, 11, 5)), (3, 2, 17, 12)),
    "downsample by 2": Case(Downsample(2), (3, 2, 12, 16)),
    "downsample by 3": Case(Downsample(3), (2, 1, 9, 21)),
    "downsample by averages": Case(Downsample(4, "average"), (2, 1, 8, 16)),
    "downsample, narrow": Case(Downsample(2), (2, 1, 2, 30)),
    "subsample, corner": Case(Subsample(psfs(1, 1, 5, 7), 2, "corner"), (3, 2, 12, 16)),
    "subsample, centre": Case(Subsample(psfs(3, 2, 4, 6), 2), (3, 2, 12, 16)),
    "subsample, kernel below a cell": Case(Subsample(psfs(1, 1, 1, 3), 4, "corner"), (2, 1, 8, 12)),
    "subsample, kernel beyond the image": Case(Subsample(psfs(1, 1, 9, 9), 3), (2, 1, 6, 3)),
    "mask": Case(Mask(torch.rand(3, 1, 6, 5, generator=torch.Generator().manual_seed(1)) > 0.4), (3, 2, 6, 5)),
    "spectral, pan of bands": Case(Spectral(mixing(1, 1, 4)), (2, 4, 5, 6)),
    "spectral, more than the image has": Case(Spectral(mixing(3, 3, 2)), (3, 2, 5, 6)),
    "compose, blurred and mixed": Case(Compose(Blur(psfs(1, 1, 3, 5)), Spectral(mixing(2, 2, 3))), (2, 3, 9, 12)),
    "compose, mixed and shrunk": Case(Compose(Spectral(mixing(1, 1, 3)), Downsample(2, "average")), (2, 3, 8, 12)),
    "guided": Case(guide(Downsample(2, "average")), (3, 2, 12, 16)),
    "guided, by a kernel": Case(guide(Subsample(psfs(3, 2, 4, 6), 2)), (3, 2, 12, 16)),
    "identity": Case(Identity(), (3, 2, 6, 5)),
    "identity, volume": Case(Identity(), (2, 1, 3, 4, 5)),
}


@pytest.mark.parametrize("name", CASES)
class TestDegradations(DegradationContract):
    @pytest.fixture
    def case(self, name: str) -> Case:
        return CASES[name]


@pytest.mark.parametrize("sides", [(5, 3), (13, 15)])
def test_a_point_becomes_the_psf_where_it_stood(sides: tuple[int, int]) -> None:
    """Neither mirrored nor shifted: on the grid of the measurement the PSF's middle lies on the point."""
    psf = psfs(1, 1, *sides)
    A = Blur(psf)
    point = torch.zeros(1, 1, *A.image_size((31, 33)), dtype=torch.float64)
    down, across = A.border
    point[..., down + 15, across + 17] = 1
    seen = A(point)[0, 0, 15 - down : 16 + down, 17 - across : 18 + across]
    assert torch.allclose(seen, psf[0, 0], atol=1e-12)


def test_a_ramp_stays_where_it_is_and_flux_is_kept() -> None:
    """Under a symmetric PSF of sum 1; and nothing wraps around."""
    A = Blur(gaussian_psf(4.0).double())
    height, width = A.image_size((20, 24))
    down, across = A.border
    ramp = torch.arange(height, dtype=torch.float64)[:, None] + 2 * torch.arange(width, dtype=torch.float64)
    assert torch.allclose(A(ramp[None, None])[0, 0], ramp[down : down + 20, across : across + 24], atol=1e-5)


def test_both_ways_of_convolving_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    A, x = Blur(psfs(2, 3, 7, 5)), torch.rand(2, 3, 20, 30, dtype=torch.float64)
    y = A(x)
    back = A.adjoint(y)
    monkeypatch.setattr("il_models.degradations.blur.DIRECT", 0)
    assert torch.allclose(A(x), y, atol=1e-12)
    assert torch.allclose(A.adjoint(y), back, atol=1e-12)


def test_a_gaussian_has_its_width() -> None:
    psf = gaussian_psf(6.0)[0, 0]
    across = psf.sum(0)
    place = torch.arange(len(across)) - len(across) // 2
    assert float(psf.sum()) == pytest.approx(1)
    assert float((across * place**2).sum().sqrt()) == pytest.approx(6 / 2.3548, rel=0.02)


def test_what_is_no_psf_is_refused() -> None:
    with pytest.raises(ValueError, match="odd height"):
        Blur(torch.ones(1, 1, 4, 5))
    with pytest.raises(ValueError, match="no numbers"):
        Blur(torch.full((1, 1, 3, 3), torch.nan))


def test_a_border_that_nobody_knows_is_refused() -> None:
    assert Compose(Blur(psfs(1, 1, 3, 5)), Spectral(mixing(1, 1, 2))).border == (1, 2)
    with pytest.raises(ValueError, match="Blur comes last and reaches beyond its measurement; let it come first"):
        _ = Compose(Downsample(2), Blur(psfs(1, 1, 3, 5))).border


def test_a_guide_is_shrunk_as_the_bands_are() -> None:
    """Where each band has its own PSF, by the mean of them."""
    A = guide(Subsample(psfs(1, 2, 4, 6), 2))
    x = torch.rand(3, 2, 12, 16, dtype=torch.float64)
    assert torch.allclose(A.shrunk(x[:, :1].expand_as(x)).mean(1), A(x[:, :1].expand_as(x)).mean(1), atol=1e-12)
