"""Low-rank adapters beside the convolutions of the shared denoiser: W + up down."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from il_models.networks.denoiser import GainConv

DOWN, UP = ".down", ".up"


def adapted(network: nn.Module, rank: int) -> nn.Module:
    """The network, whose every convolution with gains gets an adapter of this rank that changes nothing yet."""
    for conv in network.modules():
        if isinstance(conv, GainConv):
            conv.adapt(rank)
    return network


def is_adapter(name: str) -> bool:
    """Whether a weight belongs to an adapter."""
    return name.endswith((DOWN, UP))


def down_shapes(network: nn.Module) -> dict[str, torch.Size]:
    """The first halves of a network's adapters and their shapes, (rank, i, side, side)."""
    return {f"{name}{DOWN}": conv.down.shape for name, conv in _adapted(network) if conv.down is not None}


def merged(network: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of b networks without adapters, which are added to their kernels.

    Args:
        network: the structure of the networks.
        weights: by name, each with the axis b first.
    """
    found = {name: value for name, value in weights.items() if not is_adapter(name)}
    for name, conv in _adapted(network):
        if f"{name}{DOWN}" in weights:
            each = zip(*(weights[f"{name}{half}"] for half in (DOWN, UP)), strict=True)
            found[f"{name}.weight"] = weights[f"{name}.weight"] + torch.stack([conv.added(*pair) for pair in each])
    return found


def _adapted(network: nn.Module) -> Iterator[tuple[str, GainConv]]:
    for name, conv in network.named_modules():
        if isinstance(conv, GainConv):
            yield name, conv
