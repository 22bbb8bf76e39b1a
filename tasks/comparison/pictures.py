"""The pictures of a comparison: a contact sheet of the same places by everyone, and quality against time."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from tasks.comparison.ranking import Ranked
from tasks.measured import Pixels
from tasks.report.pictures import contrast, stretched

SIDE = 224  # px of a place that are shown, from its middle
GAP, HEAD, LINE = 6, 40, 16
LEAST = 210  # px of a column, for the words below a picture
ROWS = 12  # places on a sheet
INK, SOFT, PAPER = (28, 32, 36), (91, 100, 109), (255, 255, 255)
_COLOURS = ("#24577a", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000", "#8c510a")


@dataclass(frozen=True)
class Column:
    """A column of the sheet: a title, and the picture and a line of words of each place, or None."""

    title: str
    pictures: Sequence[Pixels | None]
    words: Sequence[str]


def contact_sheet(places: Sequence[str], columns: Sequence[Column], like: int) -> bytes:
    """PNG: one row per place, each stretched alike: as the picture in column `like` wants it."""
    rows = min(len(places), ROWS)
    shown = [[None if p is None else _middle(p) for p in column.pictures[:rows]] for column in columns]
    heights = [max((p.shape[-2] for p in row if p is not None), default=LINE) for row in zip(*shown, strict=True)]
    width = max([p.shape[-1] for own in shown for p in own if p is not None] or [SIDE])
    width = max(width, LEAST)
    size = (GAP + len(columns) * (width + GAP), HEAD + sum(height + 2 * LINE + GAP for height in heights))
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    head, small = _font(14), _font(11)
    for x, column in enumerate(columns):
        draw.text((GAP + x * (width + GAP), 10), _fitting(column.title, width, head), INK, font=head)
    top = HEAD
    for y in range(rows):
        draw.text((GAP, top), places[y], SOFT, font=small)
        known = [picture for own in (shown[like], *shown) if (picture := own[y]) is not None]
        windows = contrast(*known[:1])
        for x, column in enumerate(columns):
            picture, left = shown[x][y], GAP + x * (width + GAP)
            if picture is not None:
                sheet.paste(Image.fromarray(stretched(picture, windows)).convert("RGB"), (left, top + LINE))
            words = _fitting(column.words[y], width, small)
            draw.text((left, top + LINE + heights[y] + 1), words, SOFT, font=small)
        top += heights[y] + 2 * LINE + GAP
    return _png(sheet)


def speed_plot(ranked: Sequence[Ranked], by: str) -> bytes:
    """PNG: dB against seconds per place; own estimates filled, those mixed with the control open."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = [each for each in ranked if each.rank is not None and getattr(each, by) is not None]
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(dict.fromkeys(e.recipe for e in shown))}
    for i, (name, colour) in enumerate(colours.items()):
        own = [each for each in shown if each.recipe == name]
        points = [(max(each.seconds or 0.0, 1e-3), getattr(each, by)) for each in own]
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=0.8)
        for (x, y), each in zip(points, own, strict=True):
            axes.plot(
                x, y, "o", color=colour, markersize=7, markerfacecolor="white" if each.part == "mixed" else colour
            )
        x, y = max(points, key=lambda point: point[1])
        aside = (7, 6) if i % 2 == 0 else (7, -13)  # neighbours in the ranking are often neighbours in the plot
        axes.annotate(name, (x, y), aside, textcoords="offset points", fontsize=9, color=colour)
    axes.set_xscale("log")
    axes.margins(0.14, 0.16)
    axes.set_xlabel("seconds per place (filled: the method alone, open: mixed with the control)")
    axes.set_ylabel("PSNR, dB" if by == "psnr" else "estimated PSNR, dB")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def words_of(alone: Mapping[str, Any] | None, mixed: Mapping[str, Any] | None) -> str:
    """What a sheet says below a picture: its own figures, and those of the mixture with the control."""
    by = "psnr" if alone and alone.get("psnr") is not None else "risk_psnr"
    if not alone or alone.get(by) is None:
        return ""
    own = f"{alone[by]:.2f} dB" if by == "psnr" else f"est. {alone[by]:.2f} dB"
    own += f", SSIM {alone['ssim']:.3f}" if alone.get("ssim") is not None else ""
    return own + (f" (mixed {mixed[by]:.2f})" if mixed and mixed.get(by) is not None else "")


def _middle(image: Pixels) -> Pixels:
    """At most SIDE pixels from the middle, of three channels or the first."""
    channels = image if len(image) == 3 else image[:1]
    top, left = (max(0, (n - SIDE) // 2) for n in image.shape[1:])
    return channels[:, top : top + SIDE, left : left + SIDE]


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The one that comes with matplotlib, for names of inputs can hold any letter."""
    from matplotlib import get_data_path

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    while text and font.getlength(text) > width:
        text = text[:-2] + "…" if len(text) > 2 else ""
    return text


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return buffer.getvalue()
