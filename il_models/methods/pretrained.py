"""The shared denoiser as its start is."""

from dataclasses import dataclass
from typing import ClassVar

from il_models.from_start import FromStart


@dataclass(frozen=True, kw_only=True)
class Pretrained(FromStart):
    """Zhang et al., "Plug-and-play image restoration with deep denoiser prior", IEEE TPAMI 2022 (the layout).

    One forward pass by weights that were learned from other images; nothing is fitted, so that no tile's weights know
    its noise and its estimated risk is honest. The first rung of every adaptation.
    """

    name: ClassVar[str] = "pretrained"
    summary: ClassVar[str] = "a learned start as it is: one forward pass, no fit; needs level and colour of the noise"
    source: ClassVar[str] = "Zhang et al., IEEE TPAMI 2022; Mohan et al., ICLR 2020 (without biases)"

    steps: int = 0
    rate: float = 1e-5

    def is_tuned(self, name: str) -> bool:
        """All, if steps are asked for."""
        return name != "level"
