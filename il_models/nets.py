"""b networks of one shape as one callable: stacked weights, one per tile."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap


@dataclass(frozen=True)
class Nets:
    """b networks with weights of their own. `weights` maps each parameter's name to a tensor whose first axis is b.

    On a GPU the b networks run in the same kernels (vmap turns their convolutions into one grouped convolution). On a
    CPU they run one after the other: there the arithmetic is the limit, a grouped convolution costs up to 2.7 times as
    much (benchmarks/results/batch.md), and a tile's numbers do not depend on its batch mates to the last bit. There
    images lie with their channels last in memory, which takes two thirds of the time for the shared denoiser.
    """

    module: nn.Module  # the structure, on the meta device: holds no numbers
    weights: dict[str, Tensor]

    @staticmethod
    def stacked(networks: list[nn.Module]) -> "Nets":
        """Networks of one shape, joined. Buffers are not supported: a running statistic would outlive its step."""
        if any(True for _ in networks[0].buffers()):
            raise ValueError(
                f"{type(networks[0]).__name__} has buffers; a network for internal learning must be a pure function of "
                "its weights and inputs (for a normalisation layer set track_running_stats=False)."
            )
        weights, _ = stack_module_state(networks)
        leaves = {name: value.detach().clone().requires_grad_() for name, value in weights.items()}
        return Nets(networks[0].to("meta"), leaves)

    @property
    def b(self) -> int:
        """Number of networks."""
        return next(iter(self.weights.values())).shape[0] if self.weights else 0

    def __call__(self, x: Float[Tensor, "b n c *s"], *more: Tensor) -> Float[Tensor, "b n d *t"]:
        """Network i on its n images x[i]; further inputs have the tile axis b first as well."""
        return self.together(x, *more) if x.is_cuda else self.in_turn(x, *more)

    def together(self, x: Float[Tensor, "b n c *s"], *more: Tensor) -> Float[Tensor, "b n d *t"]:
        """All networks in the same kernels."""
        run = vmap(lambda weights, *inputs: functional_call(self.module, weights, inputs), randomness="error")
        return run(self.weights, x, *more)

    def in_turn(self, x: Float[Tensor, "b n c *s"], *more: Tensor) -> Float[Tensor, "b n d *t"]:
        """One network after the other."""
        split = {name: value.unbind(0) for name, value in self.weights.items()}
        inputs = [extra.unbind(0) for extra in (x, *more)]
        return torch.stack(
            [
                functional_call(
                    self.module,
                    {name: _channels_last(values[i]) for name, values in split.items()},
                    tuple(_channels_last(values[i]) for values in inputs),
                )
                for i in range(len(x))
            ]
        )

    def take(self, index: Tensor) -> "Nets":
        """Some of the networks, as new leaves that gradients can be taken of."""
        return self.replaced({name: value.detach()[index] for name, value in self.weights.items()})

    def replaced(self, weights: dict[str, Tensor]) -> "Nets":
        """Networks of the same structure with other weights."""
        return Nets(self.module, {name: value.detach().clone().requires_grad_() for name, value in weights.items()})

    @staticmethod
    def joined(parts: list["Nets"]) -> "Nets":
        """The networks of several batches, one after the other."""
        weights = {name: torch.cat([part.weights[name].detach() for part in parts]) for name in parts[0].weights}
        return parts[0].replaced(weights)


def seeded_networks(make: Callable[[], nn.Module], seeds: Int64[Tensor, " b"], device: torch.device) -> list[nn.Module]:
    """One network per seed, initialised from that seed alone; the global random state is left as it was."""
    return [_seeded(make, seed).to(device) for seed in _integers(seeds)]


def _seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _integers(seeds: Tensor) -> Iterable[int]:
    return (int(seed) & 0x7FFFFFFFFFFFFFFF for seed in seeds.tolist())
