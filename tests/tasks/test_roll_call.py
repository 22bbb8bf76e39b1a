"""Workers are asked before any lot is sent: who owns a GPU, who differs, what is dangerous."""

import pytest

from tasks.errors import RequestError
from tasks.roll_call import Hand, crew_of, require_same, versions

GPU = Hand("tcp://gpu:1", lots=2, memory=64, gpus=1, owned=1.0)
OTHER_GPU = Hand("tcp://gpu:2", lots=2, memory=48, gpus=1, owned=1.0)
CORE = Hand("tcp://core:1", lots=2, memory=8)


def test_fits_go_to_those_that_own_a_gpu() -> None:
    crew = crew_of([CORE, GPU, OTHER_GPU], threads=1)
    assert (crew.workers, crew.device, crew.memory, crew.owned) == (2, "cuda", 48, True)
    crew = crew_of([CORE, CORE], threads=2)
    assert (crew.workers, crew.device, crew.memory, crew.owned, crew.threads) == (2, "cpu", 8, False, 2)


@pytest.mark.parametrize(
    ("hands", "sentence"),
    [
        ([Hand("tcp://a:1", 2, 8, gpus=0, owned=1.0)], "says that it owns a GPU .*torch sees none there"),
        ([CORE, Hand("tcp://a:1", 2, 8, gpus=1)], "1 of 2 workers have a GPU, and none says so"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(hands: list[Hand], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        crew_of(hands, threads=1)


def test_crowds_and_several_gpus_are_told() -> None:
    crew = crew_of([Hand("tcp://a:1", 32, 8), Hand("tcp://a:2", 32, 8), Hand("tcp://a:3", 32, 8)], 1, notices=["first"])
    assert crew.notices[0] == "first"
    assert crew.notices[1].startswith("worker tcp://a:1, tcp://a:2 and 1 more takes more than 4 lots at once")
    assert "sees several GPUs" in crew_of([Hand("tcp://a:1", 2, 8, gpus=4, owned=4.0)], 1).notices[0]


def test_a_worker_of_another_version_is_refused() -> None:
    own = versions()
    require_same(own, {"tcp://a:1": own})
    require_same(own, {"tcp://a:1": own | {"torch": str(own["torch"]).split("+")[0] + "+cu130"}})
    with pytest.raises(RequestError) as refused:
        require_same(own, {"tcp://a:1": own, "tcp://b:1": own | {"zarr": "2.18.0", "selfmend's code": "another"}})
    assert f"zarr is {own['zarr']} here and 2.18.0 on worker tcp://b:1" in str(refused.value)
    assert "selfmend's code is" in str(refused.value)
    assert "tcp://a:1" not in str(refused.value)
    with pytest.raises(RequestError, match=r"numpy is .* here and none on worker"):
        require_same(own, {"tcp://a:1": own | {"numpy": None}})
