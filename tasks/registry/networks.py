"""The network that a card speaks of."""

from typing import get_args

import torch
from torch import nn

from il_models.networks.denoiser import SharedDenoiser, Size
from tasks.errors import RequestError, nearest
from tasks.registry.card import Card

KINDS = ("SharedDenoiser",)


def network_of(card: Card) -> nn.Module:
    """The network, with weights that mean nothing yet; draws from no random stream of the caller.

    Raises:
        RequestError: this version does not know its kind or its size.
    """
    told = dict(card.network)
    kind = str(told.pop("kind", "unnamed"))
    if kind not in KINDS:
        raise RequestError(
            f"The start '{card.name}' is for a network of the kind '{kind}', which this version does not know; known: "
            f"{', '.join(KINDS)}.{nearest(kind, KINDS)}"
        )
    if told.keys() != {"size"} or told["size"] not in get_args(Size):
        raise RequestError(
            f"The start '{card.name}' is for a {kind} with {told or 'no fields'}; expected is its size, one of "
            f"{', '.join(get_args(Size))}."
        )
    with torch.random.fork_rng(devices=[]):
        return SharedDenoiser(told["size"])  # type: ignore[arg-type]
