"""The identity method returns its input to the last bit."""

import torch
from contracts.toys import toy

from il_models.fitting import Status, fit
from il_models.methods.identity import Identity


def test_bit_for_bit() -> None:
    _, problem = toy(3, channels=2)
    done = fit(problem, Identity())
    assert torch.equal(done.x, problem.y)
    assert {record.status for record in done.records} == {Status.DIRECT}


def test_it_does_not_want_its_noise_stabilised() -> None:
    assert not Identity.stabilises
    assert Identity().reach == 0
