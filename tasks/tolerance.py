"""Where a tile begins to be suspect."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """Beyond these a tile is suspect. Where they come from: benchmarks/results/risk.md and DECISIONS.md."""

    lowest_ratio: float = 0.6  # residual / expected noise: below, noise was left in
    highest_ratio: float = 1.15  # above, structure was taken out
    correlation: float = 0.2  # of the residual beyond that of the noise: structure was taken out
    noise_shown: float = 0.8  # of the noise that was told: with less there, structure passes for noise and is removed
    noise_correlation: float = 0.25  # a method that assumes white noise keeps correlated noise
    skill: float = -0.5  # dB: the control is better
    risk: float = -0.15  # of the noise variance: no error is negative, so such a risk says nothing of the tile
    shift: float = 0.25  # px of an enlarged image: a wrong grid shows half a pixel at x2, one at x3
    seam: float = 1.0  # of the noise: neighbours disagree
    filled: float = 0.5  # of the tile's pixels were inferred
    deep: float = 0.03  # of the tile's pixels were inferred far from any measured one, where a rehearsal tells little
    rougher: float = 10.0  # times as rough around gaps as where filling was tried: evidence of something else
    explained: float = 0.3  # of the variance at hidden pixels: a filling that foretells less is a guess
    gain: float = 0.0  # dB: one scale lower the guide led away from the bands
    brightness: float = 0.1  # of the noise: mean of the residual
    flux: float = 0.01  # of the light: the image, measured again, has more of it, or less
    ringing: float = 0.15  # of the contrast: it swings beyond its surroundings (benchmarks/results/ringing.md)


TOLERANCE = Tolerance()
