"""A small start, for tests of what is done with starts."""

from dataclasses import replace

import torch

from il_models.networks.denoiser import SharedDenoiser
from tasks.registry.card import Card, CurvePoint, TrainingInput


def card(**changes: object) -> Card:
    """The card of a start that learned little, with some fields changed."""
    whole = Card(
        name="cells",
        id="",
        network={"kind": "SharedDenoiser", "size": "lite"},
        channels="any",
        normalisation="range to [0, 1]",
        sigma=(0.01, 0.2),
        schedule={"optimiser": "Adam", "steps": 10, "rate": 1e-3, "averaged": True},
        spread={"lowest": 0.01, "highest": 0.2},
        inputs=(TrainingInput("a", (5, 7), "0123456789abcdef"),),
        held_out="none",
        levels=(25.0,),
        curve=(CurvePoint(10, 0.5, (20.0,)),),
        parent=None,
        licence="CC0",
        code={"selfmend": "0.1.0"},
        made="2026-01-02",
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of its network."""
    torch.manual_seed(seed)
    return {name: value.detach() for name, value in SharedDenoiser("lite").named_parameters()}
