"""Who takes part in benchmarks.from_scratch, with which settings, and what papers say of them. Change it here alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from il_models.method import Method
from il_models.methods import known_methods

PARTS = ("grey128", "kodak", "grey256", "set14", "captures")  # in this order
SMALL = ("grey128",)  # for what would take hours on pictures of 256 x 256


@dataclass(frozen=True)
class Contestant:
    """A method as it takes part.

    label: in the tables. name: the method's. preset: of its presets, or "" for its defaults. fields: changed besides.
    parts: in which it takes part, by what one CPU can bear. images: at most so many per part; None: all.
    quick: whether it takes part in a quick look.
    """

    label: str
    name: str
    preset: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = PARTS
    images: int | None = None
    quick: bool = False

    def made(self) -> Method | str:
        """The method, or why it cannot take part."""
        kind = known_methods().get(self.name)
        if kind is None:
            return f"there is no method {self.name}"
        if self.preset and self.preset not in kind.presets:
            return f"{self.name} has no preset {self.preset}"
        return kind(**{**kind.presets.get(self.preset, {}), **self.fields})


CONTESTANTS = (
    Contestant("noisy", "identity", quick=True),
    Contestant("nlm", "nlm", quick=True),
    Contestant("dct", "dct", quick=True),
    Contestant("bm3d", "bm3d"),
    Contestant("zs_n2n, 1000 steps", "zs_n2n", fields={"steps": 1000, "views": 8}, quick=True),
    Contestant("zs_n2n", "zs_n2n", fields={"views": 8}),
    Contestant("zs_n2n as the paper", "zs_n2n", "paper", images=1),
    Contestant("dip", "dip", "fast", parts=("grey128", "captures")),
    Contestant("dip as the paper", "dip", parts=SMALL, images=1),
    Contestant("deep_decoder", "deep_decoder", "fast"),
    Contestant("deep_decoder as the paper", "deep_decoder", parts=SMALL, images=1),
    Contestant("drp", "drp", "fast", parts=("grey128", "captures")),
    Contestant("dip_sgld", "dip_sgld", "fast", parts=SMALL),
    Contestant("dip_sure", "dip_sure", "fast", parts=SMALL),
    Contestant("noise2void", "noise2void", "fast"),
    Contestant("mash", "mash", "fast"),
    Contestant("neighbor2neighbor", "neighbor2neighbor", "fast"),
    Contestant("r2r", "r2r", "fast"),
    Contestant("noise2fast", "noise2fast", "fast"),
    Contestant("pixel2pixel", "pixel2pixel", "fast"),
    Contestant("pixel2pixel as the paper", "pixel2pixel", parts=SMALL, images=1),
    Contestant("n2d", "n2d", "fast"),
    Contestant("self2self", "self2self", "fast", parts=("grey128", "kodak", "set14"), images=3),
)

NLR = "24 crops, NLR 2025"
NCD = "24 whole images, ZS-NCD 2025"
SET11 = "Set11, ZS-NCD 2025"
FMDD = "FMDD mixed set, NLR 2025"
PAPERS: Mapping[
    str, Mapping[str, str]
] = {  # by part and sigma, then by the method's name; averages over other pictures
    "grey256 25": {
        "bm3d": f"29.79 ({SET11})",
        "deep_decoder": f"26.93 ({SET11}, best iterate)",
        "dip": f"26.60 ({SET11}, best iterate)",
        "self2self": f"23.32 ({SET11}, a re-run that looks broken)",
        "zs_n2n": f"27.18 ({SET11})",
    },
    "grey256 50": {
        "bm3d": f"26.56 ({SET11})",
        "deep_decoder": f"24.01 ({SET11}, best iterate)",
        "dip": f"23.46 ({SET11}, best iterate)",
        "self2self": f"17.41 ({SET11}, a re-run that looks broken)",
        "zs_n2n": f"23.52 ({SET11})",
    },
    "kodak 25": {
        "bm3d": f"29.98 ({NCD})",
        "deep_decoder": f"27.62 ({NCD}, best iterate)",
        "dip": f"27.38 ({NLR})",
        "mash": f"24.29 ({NLR})",
        "neighbor2neighbor": "31.81 (24 whole images, trained on a data set, an honest re-run)",
        "noise2void": "30.32 (24 whole images, trained on a data set, Neighbor2Neighbor 2021)",
        "pixel2pixel": f"29.31 ({NLR})",
        "self2self": f"28.39 ({NLR})",
        "zs_n2n": "29.07 (24 crops, own paper)",
    },
    "kodak 50": {
        "bm3d": f"27.06 ({NCD})",
        "deep_decoder": f"24.98 ({NCD}, best iterate)",
        "dip": f"23.95 ({NLR})",
        "mash": f"23.63 ({NLR})",
        "pixel2pixel": f"26.26 ({NLR})",
        "self2self": f"26.22 ({NLR})",
        "zs_n2n": "24.81 (24 crops, own paper)",
    },
    "captures fmd": {
        "bm3d": f"31.80 ({FMDD})",
        "dip": f"32.90 ({FMDD})",
        "mash": f"33.71 ({FMDD})",
        "pixel2pixel": f"33.26 ({FMDD})",
        "self2self": f"30.76 ({FMDD})",
        "zs_n2n": f"31.65 ({FMDD})",
    },
}
