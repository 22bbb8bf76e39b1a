"""Plain gradient descent with a step size for each tensor, as the optimiser of any method."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from il_models.method import Fitted


class PlainDescent(torch.optim.Optimizer):
    """w - lr * size * gradient, elementwise: no tile's step sees another's gradient.

    Args:
        params: the weights, or one group of them with its choices.
        sizes: one per tensor; tensors beyond them stay as they are. A group may bring its own.
    """

    def __init__(self, params: Iterable[Any], sizes: tuple[float, ...] = ()) -> None:
        super().__init__(params, {"lr": 1.0, "sizes": sizes})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of all weights that have a gradient."""
        del closure
        for group in self.param_groups:
            for weight, size in zip(group["params"], group["sizes"], strict=False):
                if weight.grad is not None:
                    weight.sub_(group["lr"] * size * weight.grad)


def descending(method: Fitted, sizes: tuple[float, ...], steps: int) -> Fitted:
    """The method for so many steps of plain descent, without momentum and without decay.

    Args:
        sizes: one per tensor, in the order of the weights that the fit starts from; further tensors are not adapted.
    """
    choices = {each.name: getattr(method, each.name) for each in fields(method) if each.init}
    return _kind(type(method), sizes)(**choices | {"steps": steps})


@lru_cache
def _kind(base: type[Fitted], sizes: tuple[float, ...]) -> type[Fitted]:
    """A method differs from another by its fields alone, and step sizes are no field that a recipe may set."""

    class Descending(base):  # type: ignore[valid-type, misc]
        def optimiser(self, weights: list[Tensor]) -> torch.optim.Optimizer:
            """Plain descent."""
            return PlainDescent(weights, sizes)

        def rate_at(self, step: int) -> float:
            """The step sizes are whole as they are."""
            del step
            return 1.0

        def __reduce__(self) -> tuple[Any, ...]:
            choices = {each.name: getattr(self, each.name) for each in fields(self)}
            return descending, (base(**choices), sizes, self.steps)

    Descending.__name__ = Descending.__qualname__ = f"Descending{base.__name__}"
    return Descending
