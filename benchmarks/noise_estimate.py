"""How good is the blind estimate of the noise? Simulated Gaussian, photon and coloured noise, speckle, and real pairs.

python -m benchmarks.noise_estimate
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.images import Pair, classic, pairs
from benchmarks.table import write_table
from il_models.noise import NoiseEstimate, estimate_noise, is_signal_dependent, looks_seen

GAIN, OFFSET = 3.0, 20.0
PHOTONS = 40  # of the brightest pixel of small crops
CORRELATED = 0.2
Levels = np.ndarray | float


def found(y: np.ndarray) -> NoiseEstimate:
    """The estimate from one image."""
    windows = torch.from_numpy(y)[None]
    return estimate_noise(windows, torch.ones_like(windows, dtype=torch.bool))


def sigma_error(estimate: NoiseEstimate, intensity: Levels, variance: Levels) -> np.ndarray:
    """Relative error of sigma at some intensities."""
    return np.sqrt(np.maximum(estimate.gain * intensity + estimate.variance, 1e-12) / variance) - 1


def gaussian_rows(images: Sequence[np.ndarray], width: float) -> list[list[object]]:
    """Relative error of sigma over the images, for noise as wide as a Gaussian filter of so many pixels."""
    rows: list[list[object]] = []
    for sigma in (5, 10, 15, 25, 50):
        errors, correlations, dependent, true = [], [], 0, 0.0
        for image in images:
            noise = np.random.default_rng(1).standard_normal(image.shape)
            noise = gaussian_filter(noise, width) if width else noise
            noise *= sigma / noise.std()
            y = image + noise
            estimate = found(y)
            errors.append(float(sigma_error(estimate, y.mean(), float(sigma**2))))
            correlations.append(estimate.colour)
            low, high = np.quantile(y, (0.01, 0.99))
            dependent += is_signal_dependent(estimate.gain, estimate.variance, float(low), float(high))
            true = float((noise[:, 1:] * noise[:, :-1]).mean() / sigma**2)
        rows.append(
            [width, sigma, *_spread(errors), true, float(np.mean(correlations)), f"{dependent} of {len(images)}"]
        )
    return rows


def direction_rows(images: Sequence[np.ndarray]) -> list[list[object]]:
    """Noise that is filtered along y, along x, or both by Gaussians of some widths: is the direction found?"""
    rows: list[list[object]] = []
    for widths in ((0.5, 0.0), (0.8, 0.0), (0.0, 0.8), (0.4, 0.8), (0.8, 0.8)):
        for sigma in (10, 25):
            errors, along_y, along_x, right, true = [], [], [], 0, np.zeros(2)
            for image in images:
                noise = gaussian_filter(np.random.default_rng(1).standard_normal(image.shape), widths)
                noise *= sigma / noise.std()
                y = image + noise
                estimate = found(y)
                errors.append(float(sigma_error(estimate, y.mean(), float(sigma**2))))
                along_y.append(estimate.correlation[0])
                along_x.append(estimate.correlation[1])
                true = np.array(lags(noise))
                right += bool(((np.array(estimate.correlation) > CORRELATED) == (true > CORRELATED)).all())
            told = (float(true[0]), float(np.mean(along_y)), float(true[1]), float(np.mean(along_x)))
            rows.append([*widths, sigma, *told, f"{right} of {len(images)}", *_spread(errors)])
    return rows


def lags(noise: np.ndarray) -> tuple[float, float]:
    """Lag-1 correlation along y and along x."""
    power = (noise**2).mean()
    return float((noise[1:] * noise[:-1]).mean() / power), float((noise[:, 1:] * noise[:, :-1]).mean() / power)


def speckle_rows(images: Sequence[np.ndarray]) -> list[list[object]]:
    """Photographs as intensities under speckle; correlated speckle is that of filtered complex amplitudes."""
    rows: list[list[object]] = []
    for width in (0.0, 0.5):
        for looks in (1, 2, 4, 16) if width else (1, 2, 4, 16, 64):
            looked, errors, colours, true = [], [], [], 0.0
            for image in images:
                random = np.random.default_rng(2)
                n = np.zeros(image.shape)
                for _ in range(looks):
                    parts = random.standard_normal((2, *image.shape))
                    n += sum(gaussian_filter(part, width) ** 2 if width else part**2 for part in parts)
                logarithm = np.log(n / n.mean())
                y = np.log(np.maximum(image, 0) + 5) + logarithm
                estimate = found(y)
                variance = estimate.gain * float(np.median(y)) + estimate.variance
                looked.append(looks_seen(variance))
                errors.append(float(np.sqrt(variance / logarithm.var()) - 1))
                colours.append(estimate.colour)
                true = max(lags(logarithm - logarithm.mean()))
            quantiles = (float(np.median(looked)), min(looked), max(looked))
            rows.append([width, looks, *quantiles, *_spread(errors), true, float(np.mean(colours))])
    return rows


def photon_rows(images: Sequence[np.ndarray], what: str) -> list[list[object]]:
    """Relative errors of gain and sigma for gain 3, offset 20 and read noise 3 (0.5 below 20 photons)."""
    rows: list[list[object]] = []
    for peak in (1, 3, 10, 30, 100, 300):
        read = 3.0 if peak >= 20 else 0.5
        gains, sigmas, dependent = [], [], 0
        for image in images:
            random = np.random.default_rng(0)
            photons = image / image.max() * peak
            y = GAIN * random.poisson(photons) + read * random.standard_normal(image.shape) + OFFSET
            estimate = found(y)
            at = np.quantile(photons, np.linspace(0.05, 0.95, 10))
            gains.append(estimate.gain / GAIN - 1)
            sigmas.append(float(np.abs(sigma_error(estimate, GAIN * at + OFFSET, GAIN**2 * at + read**2)).mean()))
            low, high = np.quantile(y, (0.01, 0.99))
            dependent += is_signal_dependent(estimate.gain, estimate.variance, float(low), float(high))
        rows.append([what, peak, *_spread(gains), float(np.mean(sigmas)), max(sigmas), f"{dependent} of {len(images)}"])
    return rows


def small_rows(images: Sequence[np.ndarray], what: str) -> list[list[object]]:
    """Two random crops of each image, of some sides, with Gaussian and with photon noise."""
    rows: list[list[object]] = []
    for side in (32, 48, 64, 96, 120, 160):
        for noise in ("gaussian", "photons"):
            errors: list[float] = []
            extremes: list[float] = []
            for image in images:
                random = np.random.default_rng(3)
                for _ in range(2):
                    i, j = (int(random.integers(0, length - side + 1)) for length in image.shape)
                    crop = image[i : i + side, j : j + side] / image.max() * PHOTONS
                    if noise == "photons":
                        y, variance = GAIN * random.poisson(crop) + OFFSET, GAIN**2 * crop
                    else:
                        y, variance = GAIN * crop + OFFSET, np.full_like(crop, GAIN**2 * PHOTONS / 2)
                        y = y + np.sqrt(variance) * random.standard_normal(crop.shape)
                    estimate = found(y)
                    errors.append(float(sigma_error(estimate, GAIN * crop.mean() + OFFSET, float(variance.mean()))))
                    at = np.quantile(crop, (0.1, 0.9))
                    true = GAIN**2 * at if noise == "photons" else variance[0, :2]
                    off = np.abs(sigma_error(estimate, GAIN * at + OFFSET, np.maximum(true, 1)))
                    extremes.append(float(off.max()))
            rows.append([what, side, noise, *_spread(errors), float(np.mean(extremes))])
    return rows


def real_row(pair: Pair) -> list[object]:
    """Blind estimate against the capture's distance from its reference, over ten levels of intensity."""
    x, y = pair.clean.double().numpy(), pair.noisy.double().numpy()
    line = np.polyfit(x.ravel(), y.ravel(), 1)
    expected, residual = np.polyval(line, x), y - np.polyval(line, x)
    edges = np.unique(np.quantile(expected, np.linspace(0, 1, 11)))
    edges[-1] += 1
    levels = [(expected >= low) & (expected < high) for low, high in pairwise(edges)]
    levels = [level for level in levels if level.sum() > 200]
    intensity = np.array([y[level].mean() for level in levels])
    variance = np.array([residual[level].var() for level in levels])
    gain, offset = np.polyfit(intensity, variance, 1, w=1 / variance)
    estimate = found(y)
    errors = sigma_error(estimate, intensity, variance)
    true = max(lags(residual - residual.mean()), key=abs)
    numbers = [f"{number:.3g}" for number in (gain, estimate.gain, offset, estimate.variance)]
    mean, worst = float(np.abs(errors).mean()), float(errors[np.abs(errors).argmax()])
    return [pair.name, *numbers, mean, worst, true, estimate.colour]


def _spread(errors: list[float]) -> tuple[float, float, float]:
    return float(np.mean(errors)), float(np.mean(np.abs(errors))), max(errors, key=abs)


def main() -> None:
    """Write benchmarks/results/noise_estimate.md."""
    torch.set_num_threads(1)

    def as_arrays(images: dict[str, torch.Tensor]) -> list[np.ndarray]:
        return [255 * image[0].double().numpy() for image in images.values()]

    photos = as_arrays(classic("set12")) + as_arrays(classic("bsd68"))
    real = list(pairs())
    smooth: Callable[[Pair], np.ndarray] = lambda pair: gaussian_filter(pair.clean.double().numpy(), 1.0)  # noqa: E731
    cells = [smooth(pair) for pair in real if pair.name.startswith("fmd")]
    heads = (
        "filter width",
        "sigma",
        "mean error",
        "mean abs",
        "worst",
        "true lag-1",
        "found lag-1",
        "signal-dependent",
    )
    coloured = [row for width in (0.0, 0.5, 0.8) for row in gaussian_rows(photos, width)]
    measured = [real_row(pair) for pair in real]
    photons = photon_rows(photos[:15], "photos") + photon_rows(cells, "cells")
    write_table(
        "noise_estimate",
        "Blind noise estimate from single images",
        [
            (
                f"Gaussian noise on {len(photos)} photographs (7 of Set12, 18 of BSD68; the latter hold noise of their "
                "own, which counts as error at sigma 5). Relative error of sigma at the image's mean; noise filtered "
                "to a width has the lag-1 correlation of the column after the errors.",
                heads,
                coloured,
            ),
            (
                "The same photographs, noise filtered to a width along y and one along x: correlation per axis, and on "
                f"how many images just the right axes are above {CORRELATED:g}.",
                ("width y", "width x", "sigma", "true y", "found y", "true x", "found x", "direction found",
                 "sigma: mean error", "mean abs", "worst"),
                direction_rows(photos),
            ),
            (
                "The same photographs as intensities under speckle: the estimator on log-intensities. Looks as its "
                "median, least and largest over the images; relative error of the standard deviation of the logarithm; "
                "correlated speckle is that of complex amplitudes filtered to the width.",
                ("filter width", "looks", "found", "least", "largest", "sigma: mean error", "mean abs", "worst",
                 "true lag-1", "found lag-1"),
                speckle_rows(photos),
            ),
            (
                f"Photon noise, gain {GAIN:g}: 15 photographs, and {len(cells)} smoothed fluorescence images. Relative "
                "error of the gain, and of sigma over the 5 to 95 % quantiles of intensity.",
                ("images", "peak photons", "gain: mean error", "mean abs", "worst", "sigma: mean abs", "worst",
                 "signal-dependent"),
                photons,
            ),
            (
                f"Small images: two crops of the same photographs and fluorescence images, {PHOTONS} photons at most, "
                f"gain {GAIN:g}; Gaussian noise of the strength that photons have at half of that. Relative error of "
                "sigma at the mean, and the larger at the 10 and 90 % quantiles of intensity (mean over crops).",
                ("images", "side", "noise", "sigma: mean error", "mean abs", "worst", "at dark and bright"),
                small_rows(photos, "photos") + small_rows(cells, "cells"),
            ),
            (
                "Real pairs: blind, from the single capture, against capture minus reference over ten levels of "
                f"intensity. `e` is the relative error of sigma. Median over pairs of its mean: "
                f"{np.median([float(str(row[5])) for row in measured]):.3f}.",
                ("pair", "gain", "found", "variance", "found", "mean abs e", "worst e", "lag-1", "found"),
                measured,
            ),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
