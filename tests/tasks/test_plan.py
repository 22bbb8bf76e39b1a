"""The plan as it is kept, and the noise that it tells of."""

import json

from tasks.plan import ChannelNoise, InputPlan, Plan, Survey, correlation_of
from tasks.tiling import TileGrid

NOISE = (ChannelNoise(0.5, 2.0, (0.1, -0.3)), ChannelNoise(0.0, 1.0, (0.2, 0.2)))
SURVEY = Survey((0.0, 0.0), (1.0, 1.0), NOISE, "estimate", (0.0, 0.0), (1.0, 1.0), 1.0, 0.0)


def plan() -> Plan:
    grid = TileGrid((1, 2, 1, 64, 64), (1, 2, 1, 32, 32), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (1, 2, 1, 64, 64))
    entry = InputPlan("a", "a.tif", "print", "key", ("c", "y", "x"), "uint8", grid, SURVEY, False)
    return Plan("liver", "key", {}, {}, {}, (entry,), ())


def test_a_plan_survives_json() -> None:
    assert Plan.from_json(plan().to_json()) == plan()


def test_a_plan_with_one_correlation_for_both_axes_can_still_be_shown() -> None:
    """Plans were kept so before; their key has the old pixels version, so none is ever resumed."""
    old = json.loads(plan().to_json())
    for noise in old["inputs"][0]["survey"]["noise"]:
        noise["correlation"] = 0.25
    found = Plan.from_json(json.dumps(old).encode())
    assert [noise.correlation for noise in found.input("a").survey.noise] == [(0.25, 0.25), (0.25, 0.25)]


def test_the_correlation_of_several_channels() -> None:
    assert correlation_of(NOISE) == (0.2, -0.3)
    assert correlation_of(NOISE[:1]) == (0.1, -0.3)
