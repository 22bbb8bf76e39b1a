"""Low-rank adapters beside the convolutions of a learned start are adapted to a tile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Int64
from torch import Tensor, nn

from il_models.draw import Draw
from il_models.from_start import FromStart
from il_models.nets import Nets
from il_models.networks.adapters import adapted, down_shapes, is_adapter, merged
from il_models.networks.denoiser import SharedDenoiser
from il_models.problem import Problem

SALT = 0x10A


@dataclass(frozen=True, kw_only=True)
class LoraTuning(FromStart):
    """Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022; for convolutions as in Barbano et al.

    Each kernel W becomes W + up down, with `down` a convolution onto a few channels and `up` a mixture of them, zero at
    first. Only these are fitted, and they are all that has to be kept: the start stays as it is.
    """

    name: ClassVar[str] = "lora_tuning"
    summary: ClassVar[str] = "a learned start with low-rank adapters beside its convolutions, which alone are fitted"
    source: ClassVar[str] = "Hu et al., ICLR 2022, arXiv 2106.09685; Barbano et al., IEEE TMI 2025, arXiv 2308.14409"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"small": {"rank": 2}}

    steps: int = 40
    rate: float = 1e-3
    rank: int = 4  # 2 to 8

    def __post_init__(self) -> None:
        """Refuse a rank that adapts nothing."""
        super().__post_init__()
        if not 1 <= self.rank <= 16:
            raise ValueError(f"rank = {self.rank}: it must be 1 to 16; 2 to 8 are usual.")

    def network(self, problem: Problem) -> nn.Module:
        """The shared denoiser with adapters that change nothing yet."""
        del problem
        return adapted(SharedDenoiser(self.size), self.rank)

    def opened(self, nets: Nets, seeds: Int64[Tensor, " b"]) -> Nets:
        """The same networks with adapters, from each tile's seed; those that have them already stay as they are."""
        if any(is_adapter(name) for name in nets.weights):
            return nets
        draw, module = Draw(seeds ^ SALT), adapted(SharedDenoiser(self.size), self.rank).to("meta")
        some = next(iter(nets.weights.values()))
        weights = {}
        for name, shape in down_shapes(module).items():
            weights[name] = (draw.normal(*shape) / (shape[1:].numel() ** 0.5)).to(some)
        for name, parameter in module.named_parameters():
            if name.endswith(".up"):
                weights[name] = some.new_zeros(nets.b, *parameter.shape)
        return Nets(module, {}).replaced({**nets.weights, **weights})

    def closed(self, nets: Nets) -> Nets:
        """The same networks without adapters, which are added to the kernels: exact but for rounding."""
        structure = Nets(SharedDenoiser(self.size).to("meta"), {})
        return structure.replaced(merged(nets.module, nets.weights))

    def is_tuned(self, name: str) -> bool:
        """The adapters."""
        return is_adapter(name)
