"""Bands sharpened by finer bands of their scene: what is gained over interpolation and the classical controls?

    python -m benchmarks.guided

Real scenes by the protocol of Wald, Ranchin and Mangolini (PE&RS 1997): bands and guide are made coarser once more by
averaging, and the bands as they were taken are the reference. Sentinel-2: six bands of 20 m, and two of 60 m, by the
four of 10 m. Landsat 8: six bands of 30 m by the panchromatic one of 15 m, whose pixels lie half of one beside them; a
scene with broken clouds, and one of town, fields and forest (its 65535 count as not measured).
PSNR in dB over all bands, each scaled to its 1 to 99 % range. SAM: mean angle between the spectra in degrees. ERGAS: of
Wald (2000), 100 / factor times the root mean square of relative errors. Misfit: root mean square of A x - y in
thousandths of the range. Mixture: guided_sr and glp, by the share that was best where pixels had been kept back one
scale lower, as the pipeline has it. Skill: dB of guided_sr over glp as foretold there, and true. One seed, one thread.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from benchmarks.images import DATA, picture
from benchmarks.table import write_table
from il_models.degradations import Downsample, Guided
from il_models.fitting import Fit, fit
from il_models.method import Method
from il_models.methods.bicubic import Bicubic
from il_models.methods.glp import LaplacianPyramid
from il_models.methods.gsa import GramSchmidt
from il_models.methods.guided_sr import GuidedSuperResolution
from il_models.metrics import mse
from il_models.noise import Noise
from il_models.problem import Problem
from il_models.scale_below import below, kept_back, rehearsal, share_by_kept

METHODS: dict[str, Method] = {
    "bicubic, 5 projections": Bicubic(projections=5),
    "gsa": GramSchmidt(),
    "gsa, 3 projections": GramSchmidt(projections=3),
    "glp": LaplacianPyramid(),
    "guided_sr fast": GuidedSuperResolution(**GuidedSuperResolution.presets["fast"]),
    "guided_sr": GuidedSuperResolution(),
}
HEADS = ("scene", "method", "PSNR", "SAM", "ERGAS", "misfit", "seconds", "share", "skill foretold", "skill")


@dataclass(frozen=True)
class Scene:
    """Bands (1, c, h, w) as they were taken, scaled; which of their pixels hold for the score; and the reduced problem.

    level: mean of each band over its range, for ERGAS.
    """

    name: str
    bands: Tensor
    counts: Tensor
    problem: Problem
    level: Tensor
    offset: Tensor


def scenes() -> Iterator[Scene]:
    """The real ones."""
    sentinel, landsat = DATA / "satellite/sentinel2", DATA / "satellite/landsat"
    ten, twenty, sixty = (picture(sentinel / f"s2a_l1c_20170527_T33UUB_{size}m.tif") for size in (10, 20, 60))
    yield _scene("Sentinel-2, 20 m by 10 m", twenty, ten, 2)
    yield _scene("Sentinel-2, 60 m by 10 m", sixty, ten, 6)
    for name, pan in (("l8_cloudy", "pan15m.tif"), ("l8_elkton", "pan15m.tiff")):
        guide = _between(picture(landsat / f"{name}_{pan}"))
        if name == "l8_elkton":  # its first pixel lies inside of the bands' first
            guide = functional.pad(guide[None], (1, 0, 1, 0), "replicate")[0]
        yield _scene(f"Landsat 8, {name[3:]}, 30 m by 15 m", picture(landsat / f"{name}_30m.tif"), guide, 2)


def _between(pan: Float[Tensor, "1 h w"]) -> Float[Tensor, "1 h w"]:
    """Between four pixels each, where the parts of the bands' pixels have their middles."""
    more = functional.pad(pan[None], (0, 1, 0, 1), "replicate")
    return functional.avg_pool2d(more, 2, 1)[0]


def _scene(name: str, bands: Tensor, guide: Tensor, factor: int) -> Scene:
    height, width = (side // factor * factor for side in bands.shape[-2:])
    bands, guide = bands[:, :height, :width], guide[:, : factor * height, : factor * width]
    counts = (bands < 65535).all(0)[None, None]
    bands, offset, scale = _scaled(bands)
    guide = _scaled(guide)[0]
    A = Downsample(factor, "average")
    mask = functional.avg_pool2d(counts.float(), factor) > 1 - 1e-4
    y, known = A(bands.clamp(-2, 4)[None]), torch.ones(1, 1, height, width, dtype=torch.bool)
    kept = kept_back(0, 0, *y.shape[-2:])[None, None]
    noise = Noise(torch.zeros(1, len(bands)), torch.full((1, len(bands)), 1e-6), torch.zeros(1, 2))
    problem = Problem(y, Guided(A, A(guide[None]), known, kept), noise, mask, torch.arange(1))
    level = bands.flatten(1).mean(1)
    return Scene(name, bands[None], counts, problem, level + offset / scale, offset / scale)


def _scaled(bands: Float[Tensor, "c h w"]) -> tuple[Tensor, Tensor, Tensor]:
    some = bands.flatten(1)[:, ::5]
    low, high = some.quantile(0.01, 1), some.quantile(0.99, 1)
    return (bands - low[:, None, None]) / (high - low)[:, None, None], low, high - low


def scores(scene: Scene, x: Tensor) -> list[object]:
    """PSNR, SAM, ERGAS, misfit."""
    counts, factor = scene.counts, scene.problem.A.image_size((1, 1))[0]
    error = float(mse(x, scene.bands, counts))
    lift = scene.offset[:, None, None]
    made, true = (each + lift for each in (x, scene.bands))
    cosine = functional.cosine_similarity(made, true, 1).clamp(-1, 1)
    angle = cosine.acos().rad2deg()[counts[:, 0]].mean()
    each = torch.stack([mse(x[:, [c]], scene.bands[:, [c]], counts)[0] for c in range(x.shape[1])])
    ergas = 100 / factor * float((each / scene.level**2).mean().sqrt())
    problem = scene.problem
    misfit = 1000 * float(mse(problem.A(x), problem.y, problem.mask).sqrt())
    return [-10 * float(torch.log10(torch.tensor(error))), float(angle), ergas, misfit]


def rows(scene: Scene) -> Iterator[list[object]]:
    """One per method, and the mixture."""
    done: dict[str, Fit] = {}
    for name, method in METHODS.items():
        problem = scene.problem
        if isinstance(method, Bicubic) and isinstance(problem.A, Guided):
            problem = replace(problem, A=problem.A.coarser)
        began = time.perf_counter()
        done[name] = fit(problem, method)
        seconds = time.perf_counter() - began
        yield [scene.name, name, *scores(scene, done[name].x), seconds, "", "", ""]
    lower = below(scene.problem)
    for name in ("guided_sr fast", "guided_sr"):
        own = rehearsal(scene.problem, lower, METHODS[name], done[name].nets)
        other = rehearsal(scene.problem, lower, METHODS["glp"])
        share = share_by_kept(lower, own, other)[:, None, None, None]
        foretold = 10 * torch.log10(mse(other, lower.truth, lower.kept) / mse(own, lower.truth, lower.kept))
        errors = [mse(done[each].x, scene.bands, scene.counts) for each in ("glp", name)]
        skill = 10 * torch.log10(errors[0] / errors[1])
        x = share * done[name].x + (1 - share) * done["glp"].x
        told = (float(each) for each in (share, foretold, skill))
        yield [scene.name, f"mixture of {name}", *scores(scene, x), "", *told]


def main() -> None:
    """Measure, and write the table."""
    torch.set_num_threads(1)
    found = [row for scene in scenes() for row in rows(scene)]
    text = (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip()
    write_table("guided", "Bands sharpened by finer ones", [(text, HEADS, found)])


if __name__ == "__main__":
    main()
