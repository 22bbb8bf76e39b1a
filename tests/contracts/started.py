"""The start that ships as networks of a toy problem, and the same misled."""

import torch
from contracts.method import learned

from il_models.methods.pretrained import Pretrained
from il_models.nets import Nets
from il_models.problem import Problem


def start_of(problem: Problem) -> Nets:
    """The networks of the start that ships, one per tile."""
    nets = learned(Pretrained(), problem)
    assert nets is not None
    return nets


def misled(nets: Nets, factor: float) -> Nets:
    """The same networks, which take every noise for `factor` times what they are told."""
    level = nets.weights["level"].detach() + torch.log(torch.tensor(factor))
    return nets.replaced({**nets.weights, "level": level})
