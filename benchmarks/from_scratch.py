"""Which method that learns from the input alone is worth its time? All of them on the same pictures and captures.

    python -m benchmarks.from_scratch [--only METHOD] [--part NAME] [--images N] [--sigma S] [--write] [--quick]

Values 0 to 1 in float32, noise N(0, (sigma/255)^2) from a seeded generator per picture, neither clipped nor rounded;
the result is the last iterate or that of the method's own stopper, nothing is chosen by ground truth; output clipped to
[0, 1]; PSNR over all pixels and channels with range 1; SSIM with a Gaussian window of 11, sigma 1.5, mean over
channels. grey128: centre 128 x 128 crops of Set12; grey256: its pictures of 256 x 256; kodak, set14: centre 256 x 256
crops in colour; captures: centre 256 x 256 crops of real microscopy pairs, noise estimated blind from the whole
capture, generalised Anscombe transform, exact unbiased inverse, PSNR as the data's manifest says.

All of it takes many hours. Each restoration is kept as one line of JSON, so that an interrupted run goes on where it
was, and settings that changed are measured again; --write makes the tables of the lines that there are.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import stopping
from benchmarks.contestants import CONTESTANTS, PAPERS, PARTS, Contestant
from benchmarks.denoising import centre, ssim
from benchmarks.images import classic, gaussian_problem, noisy, pairs, stabilised_problem
from benchmarks.stopping import Observer
from benchmarks.table import RESULTS, provenance, write_table
from il_models.fitting import Fit, fit
from il_models.method import Fitted, Method
from il_models.metrics import affine_match, psnr
from il_models.noise import inverse_stabilised
from il_models.problem import Problem

Line = dict[str, Any]
SCORES = RESULTS / "from_scratch.jsonl"
SIDE = 256
SIGMAS = (25.0, 50.0, 15.0)
HEADS = ("protocol", "n", "method", "steps", "PSNR", "over nlm", "SSIM", "CPU-s", "paper")


@dataclass(frozen=True)
class Case:
    """A picture to restore. compared: an estimate in problem units -> it and the clean picture, in the same units.

    paper: where to look in PAPERS. clean: in problem units, where these are those of the picture.
    """

    part: str
    protocol: str
    picture: str
    paper: str
    problem: Problem
    compared: Callable[[Tensor], tuple[Tensor, Tensor]]
    peak: float = 1.0
    clean: Tensor | None = None


def photographs(part: str, title: str, images: dict[str, Tensor], sigmas: Sequence[float]) -> Iterator[Case]:
    """Pictures with noise of known sigma."""
    for sigma in sigmas:
        for place, (name, clean) in enumerate(images.items()):
            problem = gaussian_problem(noisy(clean, sigma, place)[None], sigma, place)
            yield Case(
                part,
                f"{title}, sigma {sigma:g}",
                name,
                f"{part} {sigma:g}",
                problem,
                lambda x, clean=clean: (x.clamp(0, 1), clean[None]),  # type: ignore[misc]
                clean=clean[None],
            )


def captures() -> Iterator[Case]:
    """The centres of real captures."""
    for seed, pair in enumerate(pairs()):
        ready = stabilised_problem(pair.noisy, seed)
        whole, clean = ready.problem, centre(pair.clean[None], SIDE)[None]
        problem = replace(whole, y=centre(whole.y[0], SIDE)[None], mask=centre(whole.mask[0], SIDE)[None])

        def compared(x: Tensor, ready=ready, clean=clean, pair=pair) -> tuple[Tensor, Tensor]:  # type: ignore[no-untyped-def]
            image = inverse_stabilised(x * ready.scale + ready.offset, ready.noise)
            everywhere = torch.ones_like(image, dtype=torch.bool)
            return (affine_match(image, clean, everywhere) if pair.affine else image.clamp(0, 255)), clean

        group = pair.name.split("/")[0]
        yield Case("captures", f"Real pairs, {group}", pair.name, f"captures {group}", problem, compared, pair.peak)


def cases(part: str, count: int | None, sigmas: Sequence[float] = SIGMAS) -> Iterator[Case]:
    """The pictures of a part, sigma 25 first; of each protocol at most so many."""
    if part == "captures":
        return islice(captures(), count)
    grey = classic("set12") if part.startswith("grey") else {}
    if part == "grey128":
        images, title = {name: centre(image, 128) for name, image in grey.items()}, "P-grey Set12, centre 128"
    elif part == "grey256":
        images, title = {name: image for name, image in grey.items() if image.shape[-1] == SIDE}, "P-grey Set12 256"
    else:
        images, title = {name: centre(image, SIDE) for name, image in classic(part).items()}, f"P-crop {part.title()}"
    return photographs(part, title, dict(islice(images.items(), count)), sigmas)


def measured(case: Case, contestant: Contestant, method: Method) -> Line:
    """One restoration as a line of the scores."""
    observer = None
    if isinstance(method, Fitted) and method.stopper is not None and case.clean is not None:
        observer = Observer.of(method, case.clean)
    began = time.process_time()
    done = fit(case.problem, method, stopper=observer)
    seconds = time.process_time() - began
    x, clean = case.compared(done.x)
    everywhere = torch.ones(1, 1, *clean.shape[-2:], dtype=torch.bool)
    record = done.records[0]
    line = {
        "part": case.part,
        "protocol": case.protocol,
        "picture": case.picture,
        "paper": case.paper,
        "label": contestant.label,
        "name": contestant.name,
        "settings": repr(method),
        "psnr": float(psnr(x, clean, case.peak, everywhere)),
        "ssim": ssim(x[0], clean[0], case.peak),
        "seconds": seconds,
        "steps": record.steps,
        "best_step": record.best_step,
        "status": str(record.status),
        "reason": record.reason,
        "commit": provenance().split(", ")[1].removeprefix("commit "),
        "date": provenance().split(", ")[0],
    }
    return line | (_observed(observer, done, began) if observer else {})


def _observed(observer: Observer, done: Fit, began: float) -> Line:
    """What the observer saw; steps and time end where the method's own stopper would have ended the fit."""
    own = observer.seen["own"]
    step, level = max(observer.path, key=lambda each: each[1])
    stoppers = {
        name: asdict(watched) | {"psnr": watched.psnr if math.isfinite(watched.psnr) else None}
        for name, watched in observer.seen.items()
    }
    found: Line = {
        "oracle": level,
        "oracle_step": step,
        "stopper": " or ".join(observer.own.reasons),
        "reason": own.reason,
        "stoppers": stoppers,
    }
    if own.stop_step:
        found |= {"steps": own.stop_step, "seconds": own.seconds - began, "status": "stopped"}
    return found | {"path_steps": done.records[0].steps}


def read(path: Path) -> dict[tuple[str, str, str], Line]:
    """The latest line of every protocol, picture and method."""
    text = path.read_text().splitlines() if path.exists() else []
    lines = [json.loads(each) for each in text if each.strip()]
    return {(line["protocol"], line["picture"], line["label"]): line for line in lines}


def run(contestants: Sequence[Contestant], asked: Iterable[Case], path: Path | None) -> list[Line]:
    """Measure what is not in the scores yet."""
    known = read(path) if path else {}
    ready: list[tuple[Contestant, Method]] = []
    for contestant in contestants:
        made = contestant.made()
        if isinstance(made, str):
            print(f"left out: {contestant.label}, for {made}")
        else:
            ready.append((contestant, made))
    lines = []
    seen: dict[str, int] = {}
    for case in asked:
        place = seen[case.protocol] = seen.get(case.protocol, 0) + 1
        for contestant, method in ready:
            old = known.get((case.protocol, case.picture, contestant.label), {})
            late = contestant.images is not None and place > contestant.images
            if case.part not in contestant.parts or late or old.get("settings") == repr(method):
                continue
            line = measured(case, contestant, method)
            lines.append(line)
            print(json.dumps({key: value for key, value in line.items() if key != "settings"}), flush=True)
            if path:
                with path.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    return lines


def chosen(only: Sequence[str]) -> list[Contestant]:
    """Those of these labels; a name that is no label means all settings of a method; all where nothing is asked for."""
    labels = {each.label for each in CONTESTANTS}
    return [each for each in CONTESTANTS if not only or each.label in only or each.name in set(only) - labels]


def rows(lines: Sequence[Line]) -> list[list[object]]:
    """One row per protocol and method; `over nlm` compares the same pictures only."""
    nlm = {(line["protocol"], line["picture"]): line["psnr"] for line in lines if line["label"] == "nlm"}
    order = {contestant.label: place for place, contestant in enumerate(CONTESTANTS)}
    found: list[list[object]] = []
    for protocol in dict.fromkeys(line["protocol"] for line in lines):
        labels = {line["label"] for line in lines if line["protocol"] == protocol}
        for label in sorted(labels, key=lambda each: order.get(each, len(order))):
            some = [line for line in lines if (line["protocol"], line["label"]) == (protocol, label)]
            level, alike, seconds, steps = (
                float(np.mean([line[key] for line in some])) for key in ("psnr", "ssim", "seconds", "steps")
            )
            over = [line["psnr"] - nlm[at] for line in some if (at := (line["protocol"], line["picture"])) in nlm]
            says = PAPERS.get(some[0]["paper"], {}).get(some[0]["name"], "")
            gain = f"{np.mean(over):+.2f}" if over else ""
            found.append(
                [protocol, len(some), label, f"{steps:.0f}", level, gain, f"{alike:.3f}", f"{seconds:.1f}", says]
            )
    return found


def write(lines: Sequence[Line], keep: bool) -> None:
    """The tables of what was measured so far."""
    text = " ".join((__doc__ or "").split("\n\n")[2].split())
    commits = ", ".join(dict.fromkeys(line["commit"] for line in lines))
    how = f"{text} CPU-seconds of one thread; from sitting to sitting processors differed up to threefold. `over nlm`: "
    how += f"in dB, on the same pictures. Measured on commit {commits}."
    write_table(
        "from_scratch" if keep else "",
        "From scratch: what each method reaches, and what it costs",
        [(how, HEADS, rows(lines))],
    )
    observed = [line for line in lines if "stoppers" in line]
    if observed:
        about = (
            "Fits whose method has a stopper of its own ran to the end of their steps, and each stopper looked on. "
            "Gap: PSNR of the best estimate on the path minus that of the kept one, in dB."
        )
        write_table(
            "stopping" if keep else "",
            "Stopping: how far what is kept is from the best",
            [(about, stopping.HEADS, stopping.gaps(observed))],
        )


def main() -> None:
    """Measure, and write benchmarks/results/from_scratch.md and stopping.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one crop and the cheap methods, printed and not kept")
    parser.add_argument(
        "--only", action="append", metavar="METHOD", help="a method's name or label; repeat for several"
    )
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--images", type=int, metavar="N", help="at most so many pictures per protocol")
    parser.add_argument("--sigma", type=float, action="append", help="of the photographs' noise; repeat for several")
    parser.add_argument("--scores", type=Path, default=SCORES, help="file of the scores, one line of JSON each")
    parser.add_argument("--write", action="store_true", help="measure nothing; write the tables of the scores")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    some = chosen(asked.only or [])
    if asked.quick:
        write(run([each for each in some if each.quick], cases("grey128", 1), None), keep=False)
        return
    if not asked.write:
        parts = (cases(part, asked.images, asked.sigma or SIGMAS) for part in asked.part or PARTS)
        run(some, chain.from_iterable(parts), asked.scores)
    write(list(read(asked.scores).values()), keep=True)


if __name__ == "__main__":
    main()
