"""Every method of the folder keeps the contract."""

import pytest
from contracts.method import MethodContract

from il_models.method import Method
from il_models.methods import known_methods


@pytest.mark.parametrize("name", sorted(known_methods()))
class TestMethods(MethodContract):
    @pytest.fixture
    def kind(self, name: str) -> type[Method]:
        if name == "bm3d":
            pytest.importorskip("bm3d", reason="the optional package bm3d, free for some uses only, is not installed")
        return known_methods()[name]
