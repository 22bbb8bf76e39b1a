"""Super-resolution: do the conventions give the published figures, and what does learning from the input itself add?

    python -m benchmarks.zooming --gates              bicubic baselines and the half pixel, seconds; nothing is fitted
    python -m benchmarks.zooming --minutes 5 --keep FOLDER   fits, and keeps every row as it comes: FOLDER/zooming.jsonl
    python -m benchmarks.zooming --write [FILE ...]   the tables of the gates and of such rows, or of those kept

Pictures in colour, 0 to 1, cut to a multiple of the factor. Ideal: imresize (bicubic, a = -0.5), the small picture
rounded to 8 bits. g2.0 and g0.2 direct: a Gaussian of variance 2.0 or 0.2 px^2, every second pixel from the first.
Scored on the luminance (ITU-R BT.601, 16 to 235), rounded to 8 bits as is the estimate, `factor` px of the border
left out; methods see all three channels. The folders hold parts of Set5 and Set14, so figures are compared picture by
picture.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.images import classic
from benchmarks.table import processor, write_table
from il_models.degradations import Degradation, Downsample, Subsample
from il_models.displacement import displacement
from il_models.fitting import fit
from il_models.methods.zssr import ZeroShotSuperResolution
from il_models.noise import Noise
from il_models.problem import Problem

LUMA = (65.481, 128.553, 24.966)
BICUBIC = {"baboon": 24.86, "barbara": 28.00, "pepper": 34.96}  # for those of Set5 none is at hand
DIRECT = {"butterfly": 22.67, "head": 31.91, "woman": 26.82}
OFFICIAL = {"baboon": 25.78, "barbara": 28.58, "pepper": 37.23}  # ZSSR, its authors' code, one jump
# Means of the five pictures of Set5: bicubic as it is scored there (a direct kernel's taken for centred), ZSSR, and
# what is asked for. Shocher et al., CVPR 2018 (ideal); Soh et al., CVPR 2020 (direct).
SET5 = {
    ("ideal", 2): (33.66, 37.37, 36.9),
    ("ideal", 3): (30.39, 33.42, 33.0),
    ("ideal", 4): (28.42, 31.13, 30.7),
    ("g2.0 direct", 2): (28.73, 34.90, 34.5),
    ("g0.2 direct", 2): (30.24, 34.29, 33.9),
}
HALF_PIXEL = 1.04  # dB that aligning gains in the mean of the five pictures of Set5
RESULTS = Path(__file__).parent / "results" / "zooming.jsonl"
TASKS = ("ideal", "g2.0 direct", "g0.2 direct")
HEADS = (
    "picture",
    "pixels",
    "degradation",
    "method",
    "bicubic",
    "PSNR",
    "gain",
    "SSIM",
    "published",
    "misfit",
    "shift",
    "steps",
    "seconds",
)


def degradation(task: str, factor: int = 2) -> Degradation:
    """The operator of a task."""
    if task == "ideal":
        return Downsample(factor)
    variance = float(task.split()[0].removeprefix("g"))
    place = torch.arange(-10, 11, dtype=torch.float64)
    line = torch.exp(-(place**2) / (2 * variance))
    kernel = line[:, None] * line
    return Subsample((kernel / kernel.sum())[None, None], factor, "corner")


def rounded(x: Tensor) -> Tensor:
    """As an 8-bit file would hold it."""
    return (x * 255).round().clamp(0, 255) / 255


def luma(x: Tensor) -> Tensor:
    """(b, 3, h, w) of 0 to 1 -> (b, 1, h, w) of 16 to 235, whole numbers."""
    return (16 + (rounded(x) * x.new_tensor(LUMA)[:, None, None]).sum(-3, keepdim=True)).round()


def score(x: Tensor, truth: Tensor, edge: int) -> float:
    """PSNR of the luminance."""
    error = (luma(x) - luma(truth))[..., edge:-edge, edge:-edge].double()
    return float(10 * torch.log10(255**2 / (error**2).mean()))


def similarity(x: Tensor, truth: Tensor, edge: int) -> float:
    """SSIM of the luminance: Gaussian window of 11, sigma 1.5."""
    from skimage.metrics import structural_similarity

    planes = [luma(each)[0, 0, edge:-edge, edge:-edge].cpu().double().numpy() for each in (x, truth)]
    value = structural_similarity(
        *planes, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return float(value)


def pictures(side: int = 0) -> dict[str, Tensor]:
    """Pictures by name, (1, 3, h, w), sides of a multiple of 12; with `side` their centres."""
    found = {}
    for name, image in {**classic("set5"), **classic("set14")}.items():
        height, width = (min(side or each, each) // 12 * 12 if side else each for each in image.shape[-2:])
        top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
        found[name] = image[None, :, top : top + height, left : left + width].double()
    return found


def cut(x: Tensor, factor: int) -> Tensor:
    """A picture whose sides the factor divides."""
    return x[..., : x.shape[-2] // factor * factor, : x.shape[-1] // factor * factor]


def gates() -> list[list[object]]:
    """Bicubic against its published figures, and what half a pixel costs."""
    rows: list[list[object]] = []
    for name, whole in pictures().items():
        x = cut(whole, 2)
        ideal, direct = degradation("ideal"), degradation("g2.0 direct")
        small, sampled = rounded(ideal(x)), rounded(direct(x))
        plain = score(ideal.guess(small), x, 2)
        blind, aligned = score(ideal.guess(sampled), x, 2), score(direct.guess(sampled), x, 2)
        found = [plain, BICUBIC.get(name, ""), blind, DIRECT.get(name, ""), aligned, aligned - blind]
        rows.append([name, *found])
    mean = [float(np.mean([row[place] for row in rows[:3]])) for place in (1, 3, 5, 6)]
    published = float(np.mean(list(DIRECT.values())))
    rows.append(["mean of Set5's three", mean[0], "", mean[1], published, *mean[2:]])
    return rows


def gained(rows: Sequence[dict[str, Any]]) -> list[list[object]]:
    """What ZSSR with the paper's settings gains over bicubic on those of Set5 that are at hand, beside all five."""
    found: list[list[object]] = []
    whole = {name: pictures()[name] for name in DIRECT}
    for (task, factor), (plain, published, wanted) in SET5.items():
        some: dict[str, dict[str, float]] = {}
        for row in rows:
            if row["name"] in whole and (row["task"], row["factor"]) == (task, factor) and "paper" in row["method"]:
                some.setdefault(row["method"], {})[row["name"]] = row["psnr"][0]
        easy = {name: _bicubic(cut(x, factor), task, factor) for name, x in whole.items()}
        for method, levels in some.items():
            if len(levels) == len(whole):
                gain = float(np.mean([levels[name] - easy[name] for name in whole]))
                aims = [f"{published - plain:.2f}", f"{wanted - plain:.2f}"]
                found.append([f"{task} x{factor}", method, gain, *aims, "yes" if gain >= wanted - plain else "no"])
    return found


def _bicubic(x: Tensor, task: str, factor: int) -> float:
    """Interpolation as it is published: on the centred grid."""
    return score(degradation("ideal", factor).guess(rounded(degradation(task, factor)(x))), x, factor)


def problem_of(y: Tensor, A: Degradation, seed: int) -> Problem:
    """A measurement without noise but that of its rounding."""
    b, c = y.shape[:2]
    noise = Noise(torch.zeros(b, c), torch.full((b, c), 1 / 255**2 / 12), torch.zeros(b, 2))
    mask = torch.ones(b, 1, *y.shape[2:], dtype=torch.bool)
    return Problem(y.float(), A, noise, mask, torch.arange(b) + seed)


def asked(tasks: Sequence[str], names: Sequence[str], factors: Sequence[int]) -> Iterator[tuple[str, int, str]]:
    """What is fitted, in order."""
    for task in tasks:
        for factor in factors if task == "ideal" else (2,):
            yield from ((task, factor, name) for name in names)


def measured(
    x: Tensor, task: str, factor: int, method: ZeroShotSuperResolution, device: torch.device
) -> dict[str, Any]:
    """One picture, or b of one size at once."""
    A = degradation(task, factor)
    y = rounded(A(x))
    plain = A.guess(y)
    problem, began = problem_of(y, A, 0).to(device), time.perf_counter()
    found = fit(problem, method)
    made = found.x.cpu().double()
    seconds = time.perf_counter() - began
    pairs = [(made[i : i + 1], plain[i : i + 1], x[i : i + 1]) for i in range(len(x))]
    return {
        "task": task,
        "factor": factor,
        "size": f"{y.shape[-2]} x {y.shape[-1]}",
        "bicubic": [score(easy, truth, factor) for _, easy, truth in pairs],
        "psnr": [score(each, truth, factor) for each, _, truth in pairs],
        "ssim": [similarity(each, truth, factor) for each, _, truth in pairs],
        "misfit": [float(255 * (A(each) - y[i : i + 1]).square().mean().sqrt()) for i, (each, *_) in enumerate(pairs)],
        "shift": displacement(made, plain.to(made)).abs().amax(1).tolist(),
        "steps": method.steps,
        "seconds": seconds,
    }


def measure(given: argparse.Namespace) -> None:
    """All rows that the time allows; each is kept as it comes."""
    device, began = torch.device("cuda" if torch.cuda.is_available() else "cpu"), time.perf_counter()
    machine = torch.cuda.get_device_name() if device.type == "cuda" else processor()
    found = pictures(given.side)
    fields = dict(ZeroShotSuperResolution.presets[given.preset]) if given.preset else {}
    method = replace(ZeroShotSuperResolution(**fields), **({"steps": given.steps} if given.steps else {}))
    method = replace(method, scales=tuple(given.scales)) if given.scales else method
    with (given.keep / "zooming.jsonl").open("a") as file:
        for task, factor, name in asked(given.tasks, given.only or list(found), given.factors):
            if time.perf_counter() - began > 60 * given.minutes:
                break
            fitted = method.enlarging(factor) if task == "ideal" else method
            said = f"zssr {given.preset or 'paper'}"
            said += f" by {', '.join(f'{scale:g}' for scale in fitted.scales)}" if fitted.scales else ""
            row = measured(cut(found[name], factor), task, factor, fitted, device)
            row |= {"kind": "picture", "name": name, "method": said, "machine": machine, "whole": not given.side}
            _keep(file, row)
        if given.batch:
            some = [cut(image, 2) for image in pictures(given.side or 128).values()]
            alike = torch.cat([image for image in some if image.shape == some[0].shape][: given.batch])
            alone = [measured(alike[i : i + 1], "ideal", 2, method, device) for i in range(len(alike))]
            together = measured(alike, "ideal", 2, method, device)
            row = {"kind": "batch", "b": len(alike), "alone": sum(each["seconds"] for each in alone)}
            row |= {"together": together["seconds"], "size": together["size"], "steps": method.steps}
            row |= {"psnr alone": [each["psnr"][0] for each in alone], "psnr together": together["psnr"]}
            _keep(file, row | {"method": f"zssr {given.preset or 'paper'}", "machine": machine})


def _keep(file: Any, row: dict[str, Any]) -> None:
    print(row, flush=True)
    file.write(json.dumps(row) + "\n")
    file.flush()


def write(files: Sequence[Path], name: str = "zooming") -> None:
    """The tables; of what was measured twice the last one counts."""
    found = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    rows = {(r["name"], r["size"], r["task"], r["factor"], r["method"]): r for r in found if r["kind"] == "picture"}
    rows = dict(sorted(rows.items(), key=lambda each: (TASKS.index(each[0][2]), each[0][3])))
    batches = [row for row in found if row["kind"] == "batch"]
    said = (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip()
    sections: list[tuple[str, Sequence[str], Sequence[Sequence[object]]]] = [
        (
            f"{said} Published: ZSSR's authors' files (Set14), Soh et al., CVPR 2020 "
            "(g2.0). Gates: bicubic within 0.03 dB of these; aligned within 0.05 dB of a gain of "
            f"{HALF_PIXEL} dB in the mean of all five of Set5 (only three are here).",
            ("picture", "ideal", "published", "g2.0, taken for centred", "published", "g2.0, aligned", "half a pixel"),
            gates(),
        )
    ]
    if rows:
        machines = ", ".join(sorted({row["machine"] for row in rows.values()}))
        text = (
            f"Zero-shot super-resolution, one jump unless said (by), x2 unless said; on {machines}, beside other work. "
        )
        text += "Published: its authors' code. Misfit: "
        text += "root mean square of A x - y, in grey levels; rounding alone has 0.29. Shift: of x beside the "
        text += "interpolated measurement, in px of the image, the larger axis: a wrong grid would show half a pixel."
        sections.append((text, HEADS, [_row(row) for row in rows.values()]))
        text = "What it gains over bicubic (a direct kernel's taken for centred, as it is published) in the mean of "
        text += "the three pictures of Set5, with the paper's settings, beside what is published of all five."
        aims = ("task", "method", "gain", "published", "wanted", "reached")
        sections.append((text, aims, gained(list(rows.values()))))
    if batches:
        text = "Tiles at once against one by one; their figures agree, for no tile sees another."
        heads = ("pixels", "b", "method", "steps", "seconds one by one", "at once", "largest difference, dB", "machine")
        sections.append((text, heads, [_batch(row) for row in batches]))
    write_table(name, "Super-resolution", sections)


def _row(row: dict[str, Any]) -> list[object]:
    ahead = [
        row["name"],
        row["size"],
        row["task"] + (f" x{row['factor']}" if row["factor"] != 2 else ""),
        row["method"],
    ]
    figures = [row["bicubic"][0], row["psnr"][0], row["psnr"][0] - row["bicubic"][0], f"{row['ssim'][0]:.4f}"]
    looks = [row[key][0] if key in row else "" for key in ("misfit", "shift")]
    whole = row["task"] == "ideal" and row["factor"] == 2 and row.get("whole", False)
    return [
        *ahead,
        *figures,
        OFFICIAL.get(row["name"], "") if whole else "",
        *looks,
        row["steps"],
        f"{row['seconds']:.0f}",
    ]


def _batch(row: dict[str, Any]) -> list[object]:
    apart = max(abs(one - other) for one, other in zip(row["psnr alone"], row["psnr together"], strict=True))
    times = [f"{row['alone']:.0f}", f"{row['together']:.0f}", f"{apart:.4f}", row["machine"]]
    return [row["size"], row["b"], row["method"], row["steps"], *times]


def main() -> None:
    """Measure, or write."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--gates", action="store_true", help="bicubic alone, printed")
    ask.add_argument("--minutes", type=float, default=8)
    ask.add_argument("--keep", type=Path, default=Path())
    ask.add_argument("--write", type=Path, nargs="*", default=None)
    ask.add_argument("--only", nargs="*", default=[], help="names of pictures")
    ask.add_argument("--tasks", nargs="*", default=["ideal"], choices=TASKS)
    ask.add_argument("--factors", nargs="*", type=int, default=[2])
    ask.add_argument("--preset", default="")
    ask.add_argument("--steps", type=int, default=0)
    ask.add_argument("--scales", nargs="*", type=float, default=[], help="intermediate scales that are climbed")
    ask.add_argument("--side", type=int, default=0, help="centres of this side instead of whole pictures")
    ask.add_argument("--batch", type=int, default=0, help="tiles at once against one by one")
    ask.add_argument("--quick", action="store_true")
    given = ask.parse_args()
    if given.gates or given.quick:
        write([], "")
    elif given.write is not None:
        write(given.write or [RESULTS])
    else:
        measure(given)


if __name__ == "__main__":
    main()
