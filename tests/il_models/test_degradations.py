"""Every degradation keeps the contract."""

import pytest
from contracts.degradation import Case, DegradationContract

from il_models.degradations import Identity

CASES = {
    "identity": Case(Identity(), (3, 2, 6, 5)),
    "identity, volume": Case(Identity(), (2, 1, 3, 4, 5)),
}


@pytest.mark.parametrize("name", CASES)
class TestDegradations(DegradationContract):
    @pytest.fixture
    def case(self, name: str) -> Case:
        return CASES[name]
