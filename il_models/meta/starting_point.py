"""A learned start: weights of one network, and how a tile goes on from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from il_models.meta.descent import descending
from il_models.method import Fitted
from il_models.nets import Nets, seeded_networks
from il_models.problem import Problem


@dataclass(frozen=True)
class StartingPoint:
    """Weights mean little without the optimiser and the number of steps that they were learned for.

    weights: of ONE network, by the names of its parameters; those that no training changes may be missing. steps: K.
    sizes: step sizes of plain descent per tensor, as MAML learns them; without them the method's own optimiser goes on,
    from `rate`.
    """

    weights: dict[str, Tensor]
    steps: int
    sizes: dict[str, float] = field(default_factory=dict)
    rate: float = 1e-3

    def nets(self, method: Fitted, problem: Problem) -> Nets:
        """One network per tile, all alike, to be handed to `fit` as its start.

        Raises:
            ValueError: the weights are not those of the method's network for this problem.
        """
        (network,) = seeded_networks(lambda: method.network(problem), problem.seeds[:1], problem.y.device)
        own = dict(network.named_parameters())
        self._require(own, f"{method.name} for {problem.channels} channels")
        kept = {name: value.detach() for name, value in own.items() if name not in self.weights}
        one = {name: value.to(own[name]) for name, value in self.weights.items()} | kept
        blank = Nets.stacked([network])
        return blank.replaced({name: value.expand(problem.b, *value.shape) for name, value in one.items()})

    def adaptation(self, method: Fitted, steps: int | None = None) -> Fitted:
        """The method as it goes on from `nets`: K steps unless told otherwise, with the start's own optimiser."""
        count = self.steps if steps is None else steps
        if self.sizes:
            return descending(method, tuple(self.sizes[name] for name in self.weights), count)
        return replace(method, steps=count, rate=self.rate)

    def _require(self, own: Mapping[str, Tensor], whose: str) -> None:
        needed = {name for name, value in own.items() if value.requires_grad}
        for name in sorted(needed | set(self.weights)):
            have, want = (tuple(each[name].shape) if name in each else None for each in (self.weights, own))
            if have != want:
                raise ValueError(
                    f"The start is for another network than that of {whose}: its '{name}' has "
                    f"{_shape(have)}, where {_shape(want)} was expected. Use a start that was learned for this method "
                    "and as many channels."
                )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "no weights" if shape is None else f"shape {shape}"
