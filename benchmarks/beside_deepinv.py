"""Beside deepinv: what one tile costs until it is as good, one core, the same run.

    OTHER/bin/python -m benchmarks.beside_deepinv [--quick]

OTHER is an environment of its own with deepinv, jaxtyping and scikit-image, as deepinv needs torchvision, which the
versions pinned here cannot have. Its losses, networks and Deep Image Prior are taken as its documentation shows them:
a loop over steps, Adam at 1e-3 (its prior: its own loop and rate). Camera of scikit-image, 128 x 128, sigma 25,
unclipped. CPU-seconds of one thread; the estimates that are looked at every so many steps count on both sides.
"""

import argparse
import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import skimage.data
import skimage.transform
import torch
from torch import Tensor

from benchmarks.images import gaussian_problem, noisy
from benchmarks.onlooker import Onlooker
from benchmarks.table import write_table
from il_models.fitting import fit
from il_models.method import Fitted
from il_models.methods import known_methods
from il_models.metrics import psnr
from il_models.networks.three_layers import ThreeLayers
from il_models.stopper import Decision, Look

SIGMA, SIDE, LOOKS = 25.0, 128, 25
OURS = (("zs_n2n", None), ("zs_n2n", "fast"), ("neighbor2neighbor", "fast"), ("noise2fast", "fast"), ("r2r", "fast"))
AIMS = (25.0, 26.0, 27.0, 27.5)  # dB
HEADS = ("who", "method", "steps", "ms a step", *(f"CPU-s to {aim:g} dB" for aim in AIMS), "best", "end", "CPU-s")


@dataclass(frozen=True)
class Path(Onlooker):
    """Notes PSNR and CPU-seconds along a fit, and stops nothing."""

    clean: Tensor
    began: float
    points: list[tuple[float, float]] = field(default_factory=list)

    def note(self, x: Tensor) -> None:
        """One point of the path."""
        self.points.append((time.process_time() - self.began, level(x, self.clean)))

    def decide(self, state: dict[str, Tensor], look: Look) -> Decision:
        """Goes on; the latest estimate is the best."""
        self.note(look.estimate)
        none = torch.zeros_like(look.loss, dtype=torch.int64)
        return Decision(state, none, none == 0)

    def row(self, who: str, method: str, steps: int, end: float) -> list[object]:
        """A line of the table."""
        seconds = time.process_time() - self.began
        reached = [next((at for at, dB in self.points if dB >= aim), None) for aim in AIMS]
        first = [f"{at:.1f}" if at is not None else "never" for at in reached]
        best = max(dB for _, dB in self.points)
        return [who, method, steps, f"{1e3 * seconds / steps:.0f}", *first, max(best, end), end, f"{seconds:.1f}"]


def level(x: Tensor, clean: Tensor) -> float:
    """PSNR of the tile, clipped to the range of pictures."""
    return float(psnr(x.clamp(0, 1), clean, 1.0, torch.ones_like(clean[:, :1], dtype=torch.bool)))


def ours(y: Tensor, clean: Tensor, short: bool) -> Iterator[list[object]]:
    """Each method at a preset, by its own rule of stopping."""
    for name, preset in OURS:
        kind = known_methods()[name]
        method = kind(**(kind.presets[preset] if preset else {}))
        assert isinstance(method, Fitted)
        method = replace(method, steps=LOOKS) if short else method
        problem = gaussian_problem(y, SIGMA)
        watch = Path(max(1, method.steps // LOOKS), clean, time.process_time())
        watched = fit(problem, method, stopper=watch)
        label = f"{name} {preset or ''}".strip()
        yield watch.row("selfmend", label, watched.records[0].steps, level(watched.x, clean))


def theirs(y: Tensor, clean: Tensor, short: bool) -> Iterator[list[object]]:
    """Its losses on its documented loop, and its Deep Image Prior."""
    import deepinv

    physics = deepinv.physics.Denoising(deepinv.physics.GaussianNoise(SIGMA / 255))
    plain: dict[str, Any] = {"in_channels": 1, "out_channels": 1, "depth": 6, "nf": 32, "pretrained": None}
    losses: list[tuple[str, Any, Callable[[], torch.nn.Module], int]] = [
        ("Neighbor2Neighbor, three layers", deepinv.loss.Neighbor2Neighbor(), _Residual, 1500),
        ("R2RLoss, DnCNN of 6", deepinv.loss.R2RLoss(), lambda: deepinv.models.DnCNN(**plain), 600),
        ("SureGaussianLoss, DnCNN of 6", deepinv.loss.SureGaussianLoss(SIGMA / 255),
         lambda: deepinv.models.DnCNN(**plain), 600),
    ]  # fmt: skip
    for label, loss, network, steps in losses:
        torch.manual_seed(0)
        count = LOOKS if short else steps
        watch, model = Path(max(1, count // LOOKS), clean, time.process_time()), network()
        model = loss.adapt_model(deepinv.models.ArtifactRemoval(model))
        told = "update_parameters" in inspect.signature(model.forward).parameters  # asked as its trainer does
        optimiser = torch.optim.Adam(model.parameters(), 1e-3)
        for step in range(1, count + 1):
            model.train()
            x = model(y, physics, **({"update_parameters": True} if told else {}))
            error = loss(x_net=x, y=y, physics=physics, model=model).mean()
            optimiser.zero_grad()
            error.backward()
            optimiser.step()
            if step % watch.every == 0 or step == count:
                model.eval()
                with torch.no_grad():
                    watch.note(model(y, physics))
        yield watch.row("deepinv", label, count, watch.points[-1][1])
    yield _their_prior(y, clean, physics, LOOKS if short else 600)


def _their_prior(y: Tensor, clean: Tensor, physics: Any, steps: int) -> list[object]:
    import deepinv

    torch.manual_seed(0)
    decoder = deepinv.models.ConvDecoder(img_size=(1, SIDE, SIDE), in_size=(4, 4), channels=64)
    watch, every = Path(1, clean, time.process_time()), max(1, steps // LOOKS)
    forward, seen = decoder.forward, [0]

    def watched(z: Tensor) -> Tensor:
        x: Tensor = forward(z)
        seen[0] += 1
        if seen[0] % every == 0:
            watch.note(x.detach())
        return x

    decoder.forward = watched
    prior = deepinv.models.DeepImagePrior(decoder, img_size=(64, 4, 4), iterations=steps)
    x = prior(y, physics).detach()
    return watch.row("deepinv", "DeepImagePrior, ConvDecoder of 64", steps, level(x, clean))


class _Residual(torch.nn.Module):
    """The network of Zero-Shot Noise2Noise, 21 thousand weights, as a model of deepinv."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = ThreeLayers(1, 48)

    def forward(self, y: Tensor, *_: Any, **__: Any) -> Tensor:
        """y minus its noise."""
        return y - self.inner(y)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    picture = skimage.transform.resize(skimage.data.camera() / 255.0, (SIDE, SIDE), anti_aliasing=True)
    clean = torch.from_numpy(picture).float()[None, None]
    y = noisy(clean, SIGMA)
    rows = [*ours(y, clean, quick), *theirs(y, clean, quick)]
    import deepinv

    said = (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip()
    text = f"{said} torch {torch.__version__}, deepinv {deepinv.__version__}."
    write_table("" if quick else "beside_deepinv", "Beside deepinv, from scratch", [(text, HEADS, rows)])


if __name__ == "__main__":
    main()
