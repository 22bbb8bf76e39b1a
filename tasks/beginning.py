"""The networks that tiles begin from: those of their inputs, or of the learned start."""

import torch

from il_models.method import Fitted
from il_models.nets import Nets
from il_models.problem import Problem
from tasks.adaptation import begun_at
from tasks.starts import Start, channel_group
from tasks.tiles import Tile
from tasks.treatment import Treatment


def begun_from(tiles: list[Tile], starts: dict[str, Start], treatment: Treatment, problem: Problem) -> Nets | None:
    """The networks of the tiles' inputs, otherwise those of the learned start, one copy per tile."""
    method = treatment.method
    if not isinstance(method, Fitted) or not (starts or treatment.start):
        return None
    if not starts and treatment.start is not None:
        return begun_at(treatment.start, method, problem)
    picked = [(starts[tile.entry.name].weights, channel_group(tile.entry, tile.window.channels)) for tile in tiles]
    names = picked[0][0].keys()
    weights = {name: torch.stack([own[name][group] for own, group in picked]) for name in names}
    structure = Nets(method.network(problem).to("meta"), {})
    return structure.replaced({name: value.to(problem.y.device) for name, value in weights.items()})
