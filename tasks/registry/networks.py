"""The network that a card speaks of."""

from typing import get_args

import torch
from torch import nn

from il_models.networks.denoiser import SharedDenoiser, Size
from il_models.networks.residual_stack import ResidualStack
from il_models.networks.three_layers import ThreeLayers
from tasks.errors import RequestError, nearest
from tasks.registry.card import Card

KINDS = {
    "SharedDenoiser": f"'size', one of {', '.join(get_args(Size))}",
    "ThreeLayers": "'channels' and 'width', numbers from 1 to 1024",
    "ResidualStack": "'channels' and 'width', numbers from 1 to 1024, and 'depth', from 2 to 64",
}
WIDEST, DEEPEST = 1024, 64


def network_of(card: Card) -> nn.Module:
    """The network, with weights that mean nothing yet; draws from no random stream of the caller.

    Raises:
        RequestError: this version does not know its kind, or its fields are not those of the kind.
    """
    kind = str(card.network.get("kind", "unnamed"))
    if kind not in KINDS:
        raise RequestError(
            f"The start '{card.name}' is for a network of the kind '{kind}', which this version does not know; known: "
            f"{', '.join(KINDS)}.{nearest(kind, KINDS)}"
        )
    fields = {name: value for name, value in card.network.items() if name != "kind"}
    with torch.random.fork_rng(devices=[]):
        match kind, fields:
            case "SharedDenoiser", {"size": str(size), **rest} if size in get_args(Size) and not rest:
                return SharedDenoiser(size)  # type: ignore[arg-type]
            case "ThreeLayers", {"channels": int(channels), "width": int(width), **rest} if (
                0 < channels <= WIDEST and 0 < width <= WIDEST and not rest
            ):
                return ThreeLayers(channels, width)
            case "ResidualStack", {"channels": int(channels), "width": int(width), "depth": int(depth), **rest} if (
                0 < channels <= WIDEST and 0 < width <= WIDEST and 2 <= depth <= DEEPEST and not rest
            ):
                return ResidualStack(channels, width, depth)
    raise RequestError(f"The start '{card.name}' is for a {kind} with the fields {fields}; expected: {KINDS[kind]}.")
