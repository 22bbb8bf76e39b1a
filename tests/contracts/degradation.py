"""What every degradation promises. Runs over the cases in tests/il_models/test_degradations.py."""

import pickle
from dataclasses import dataclass

import torch
from torch import Tensor

from il_models.degradations import Degradation
from il_models.draw import Draw


@dataclass(frozen=True)
class Case:
    """An operator for b tiles, in float64 where it has numbers, and the shape of its images."""

    operator: Degradation
    shape: tuple[int, ...]  # (b, c, *s)

    def image(self, seed: int) -> Tensor:
        """A random image of that shape."""
        return Draw(torch.arange(self.shape[0]) + 100 * seed).normal(*self.shape[1:]).double()

    def measurement(self, seed: int) -> Tensor:
        """A random measurement."""
        return torch.randn(self.operator(self.image(0)).shape, generator=torch.Generator().manual_seed(seed)).double()


class DegradationContract:
    """Subclasses give the fixture `case`."""

    def test_linear(self, case: Case) -> None:
        u, v, A = case.image(1), case.image(2), case.operator
        assert torch.allclose(A(2 * u - 3 * v), 2 * A(u) - 3 * A(v), atol=1e-10)

    def test_adjoint(self, case: Case) -> None:
        u, v, A = case.image(1), case.measurement(2), case.operator
        left, right = (A(u) * v).flatten(1).sum(1), (u * A.adjoint(v)).flatten(1).sum(1)
        assert torch.allclose(left, right, rtol=1e-10, atol=1e-10)

    def test_pseudo_inverse(self, case: Case) -> None:
        u, A = case.image(1), case.operator
        assert torch.allclose(A(A.pinv(A(u))), A(u), atol=1e-6)

    def test_a_damped_pseudo_inverse_is_smaller(self, case: Case) -> None:
        v, A = case.measurement(1), case.operator
        sizes = torch.stack([A.pinv(v, damp).flatten(1).norm(dim=1) for damp in (1e-6, 0.1, 10.0)])
        assert bool((sizes.diff(dim=0) <= 1e-9).all())

    def test_image_size(self, case: Case) -> None:
        measured = case.operator(case.image(1))
        assert case.operator.image_size(tuple(measured.shape[2:])) == case.shape[2:]
        assert case.operator.pinv(measured).shape == case.shape

    def test_tiles_do_not_see_each_other(self, case: Case) -> None:
        u = case.image(1)
        changed = u.clone()
        changed[0] += 1
        assert torch.equal(case.operator(changed)[1:], case.operator(u)[1:])

    def test_take_commutes(self, case: Case) -> None:
        u, index = case.image(1), torch.tensor([case.shape[0] - 1, 0])
        assert torch.allclose(case.operator.take(index)(u[index]), case.operator(u)[index], atol=1e-12)

    def test_picklable_and_unchanged_by_use(self, case: Case) -> None:
        u = case.image(1)
        before = case.operator(u)
        case.operator.pinv(before)
        case.operator.adjoint(before)
        assert torch.equal(case.operator(u), before)
        assert torch.equal(pickle.loads(pickle.dumps(case.operator))(u), before)
