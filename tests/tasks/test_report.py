"""The report: its numbers are the table's, it stands alone, nothing in it is markup from outside, cuts are told."""

import base64
import io
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
import skimage.data
from contracts.finished import keep, many_rows, published, row, summarised
from contracts.publishing import image
from PIL import Image

from tasks import ledger
from tasks.convergence import CONVERGENCE
from tasks.errors import RequestError
from tasks.report.page import read_summary, write_report
from tasks.report.words import QUERY, rungs
from tasks.stores.place import Place

ROOT = Path(__file__).parents[2]
MAY_STAY_OPEN = {"meta", "img", "br", "rect", "line", "circle", "polyline"}


class Page(HTMLParser):
    """A page taken apart: its text, what it loads, its tags by name, and pictures by their alternative text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.html, self.loads, self.tags, self.words, self.open = text, [], [], [], []
        self.images = []
        self.feed(text)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.tags.append(tag)
        self.loads += [known[name] for name in ("src", "href", "srcset", "data", "action") if name in known]
        if tag == "img":
            self.images.append((known["alt"], known["src"]))
        if tag not in MAY_STAY_OPEN:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in MAY_STAY_OPEN:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    def pictures(self, alt):
        """Decoded pictures whose alternative text begins with a word."""
        found = [source.partition(",")[2] for name, source in self.images if name.startswith(alt)]
        return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def page_of(out, summary):
    """The report of a collection, written and taken apart."""
    uri = write_report(out, summary)
    assert uri == f"{out.uri}/report.html"
    page = Page(out.read("report.html").decode())
    assert page.open == []
    return page


@pytest.fixture
def out(tmp_path):
    """Folder of a collection."""
    return Place(str(tmp_path / "OUT" / "liver"))


@pytest.fixture
def plates(out, tmp_path):
    """Two images with good, suspect, failed and empty tiles, whose inputs are there."""
    rows = published(out, "plate/a", image((128, 96), "uint16"), ("y", "x"), codes=[1, 1, 2, 0], input_folder=tmp_path)
    rows += published(out, "b", image((64, 64), "uint16"), ("y", "x"), codes=[1, 1, 1, 3], input_folder=tmp_path)
    keep(out, rows)
    return rows


def counted(rows):
    return {name: sum(each["verdict"] == name for each in rows) for name in ("good", "suspect", "failed", "empty")}


def test_numbers_are_those_of_the_table(out, plates):
    counts = counted(plates)
    assert counts == {"good": 9, "suspect": 3, "failed": 1, "empty": 3}
    page = page_of(out, summarised(out, counts))
    assert "4 of 13 tiles are suspect or failed (30.8 %)." in page.text
    assert "the recipe allows 5.0 %" in page.text
    assert re.search(r"1 failed\s+3 suspect\s+9 good\s+3 empty", page.text)
    assert "The last run took 1 min 23 s" in page.text
    assert "Inputs restored 2 Tiles 16 Method zs_n2n" in page.text
    assert "3 tiles in 1 of 2 inputs only … of the expected noise was removed" in page.text
    assert "1 tile in 1 of 2 inputs the loss was not a number at step …" in page.text
    assert re.search(r"failed b 3 32–63 32–63 – the loss was not a number at step 310", page.text)
    assert re.search(r"suspect plate/a 2 0–31 64–95 ", page.text)
    assert "b 3 0 1 0" in page.text
    assert "plate/a 6 3 0 3" in page.text
    assert "This page counts all" not in page.text


def test_a_good_run_says_so(out):
    rows = published(out, "a", image((64, 64), "uint8"), ("y", "x"))
    keep(out, rows)
    page = page_of(out, summarised(out, {"good": 4}))
    assert "Good None of 4 tiles are suspect or failed." in page.text
    assert "What to look at" not in page.text
    assert "Tiles to look at" not in page.text


def test_images_of_earlier_runs_are_told_apart(out, plates):
    page = page_of(out, summarised(out, {"good": 4}, done_before=1))
    assert "1 input published, 1 had been done before: 4 tiles (4 good) in 83 s." in page.text
    assert "This page counts all 16 tiles of the 2 images in the folder" in page.text
    assert "Look at it" in page.text


def test_it_stands_alone(out, plates):
    page = page_of(out, summarised(out, counted(plates)))
    assert page.images
    assert all(each.startswith("data:image/") for each in page.loads)
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    style = page.html.partition("</style>")[0]
    assert "@import" not in style
    assert "url(" not in style
    assert "prefers-color-scheme: dark" in style


def test_what_comes_from_outside_is_escaped(out, tmp_path):
    bad = "<script>alert('x')</script>"
    facts = {"title": f"A & {bad}"}
    rows = published(out, "a", image((32, 32), "uint8"), ("y", "x"), codes=[2], input_folder=tmp_path, facts=facts)
    rows[0] |= {"verdict_reason": f"{bad} & more", "stop_reason": bad, "method": bad, "device": bad}
    keep(out, [*rows, row(bad, 0, code=2)])
    given = {"collection": bad, "method": bad, "run": bad, "device": bad, "recipe": {"scope": bad, "control": bad}}
    page = page_of(out, summarised(out, {"suspect": 2}, failed={bad: bad}, **given))
    assert "<script" not in page.html
    assert page.text.count(bad) >= 12
    assert "A & <script>" in page.text


def test_every_input_failed(out):
    failed = {"a": "it is truncated", "b": "there is no file"}
    page = page_of(out, summarised(out, {}, published=0, failed=failed))
    assert "No tile was restored; 2 inputs failed." in page.text
    assert "2 inputs could not be restored input reason a it is truncated b there is no file" in page.text
    assert "What the verdicts mean" in page.text
    assert not page.images


def test_columns_that_are_null_throughout(out, plates):
    page = page_of(out, summarised(out, counted(plates)))
    assert "None in this run: no control was run." in page.text
    assert "None in this run: no tiles overlap" in page.text
    assert "Against the reference" not in page.text
    assert "PSNR" not in page.text.partition("What the verdicts mean")[0]


def test_all_figures_null_or_not_finite(out, tmp_path):
    rows = published(out, "a", image((64, 32), "uint8"), ("y", "x"), codes=[2, 3], input_folder=tmp_path)
    nothing = dict.fromkeys(
        ("risk", "residual_ratio", "residual_correlation", "residual_mean", "noise_sigma", "best_step", "steps")
    )
    rows = [each | nothing | {"skill": value} for each, value in zip(rows, (np.nan, -np.inf), strict=True)]
    keep(out, rows)
    page = page_of(out, summarised(out, {"suspect": 1, "failed": 1}))
    assert "suspect a 0 0–31 0–31 – only" in page.text
    assert "nan" not in page.text.lower().split()


def test_a_reference(out, plates):
    known = [each for each in plates if each["verdict"] != "empty"]
    for n, each in enumerate(known):
        each |= {
            "psnr_noisy": 20.0 + n,
            "psnr": 27.0 + n,
            "psnr_control": 26.5 + n,
            "risk_psnr": 26.0 + n,
            "skill": 0.5,
        }
    keep(out, plates)
    page = page_of(out, summarised(out, counted(plates)))
    assert "Mean PSNR of the tiles: noisy 26.00 dB, zs_n2n 33.00 dB , control 32.50 dB" in page.text
    assert "Over 13 tiles the estimate is off by 1.00 dB on average, and too low by 1.00 dB." in page.text
    assert page.html.count("<circle") == 13
    own = [each["psnr"] for each in known if each["input"] == "b"]
    assert f"b 3 0 1 0 0.50 1.00 2.00 {np.mean(own) - 7:.2f} {np.mean(own):.2f} {np.mean(own) - 0.5:.2f}" in page.text
    assert "PSNR noisy 32.00 → zs_n2n 39.00 dB (control 38.50 dB)" in page.text
    assert "skill +0.5 dB" in page.text


def test_before_and_after_are_stretched_alike_and_the_residual_is_in_units_of_the_noise(out, tmp_path):
    pixels = skimage.data.camera()[:64, :64].astype(np.uint16) * 4
    keep(out, published(out, "a", pixels, ("y", "x"), tile=64, input_folder=tmp_path))
    page = page_of(out, summarised(out, {"good": 1}))
    (before,), (after,), (residual,) = (page.pictures(name) for name in ("before", "after", "residual"))
    low, high = np.percentile([pixels, pixels + 1], (0.5, 99.5))
    for found, value in ((before, pixels), (after, pixels + 1)):
        expected = np.clip((value - low) / (high - low), 0, 1) * 255
        np.testing.assert_allclose(np.asarray(found), expected, atol=1.01)
    # The image is one brighter than its input, and the noise is 2: half a deviation below, on a scale of 3.
    assert np.unique(np.asarray(residual)).tolist() == [round(127 - 127 / 6)]
    red, _, blue = residual.convert("RGB").getpixel((5, 5))
    assert blue > red
    assert f"before · {low:.4g} to {high:.4g}" in page.text
    assert "residual · ±3 σ of the noise" in page.text


def test_without_a_known_noise_the_residual_is_in_data_units(out, tmp_path):
    rows = published(out, "a", image((32, 32), "uint8") // 2, ("y", "x"), input_folder=tmp_path, noise=[])
    keep(out, [each | {"noise_sigma": 0.0} for each in rows])
    assert "residual · ±1 data units; no noise is known" in page_of(out, summarised(out, {"good": 1})).text


def test_a_source_that_is_gone_or_changed(out, tmp_path):
    rows = published(out, "gone", image((32, 32), "uint8"), ("y", "x"))
    rows += published(out, "changed", image((32, 32), "uint8"), ("y", "x"), input_folder=tmp_path, fingerprint="old")
    rows += [row("never", 0)]
    keep(out, rows)
    page = page_of(out, summarised(out, {"good": 3}))
    assert len(page.pictures("after")) == 2
    assert not page.pictures("before") + page.pictures("residual")
    assert re.search(r"The input cannot be shown: .*gone\.tif", page.text)
    assert re.search(r"changed\.tif' has changed since it was restored", page.text)
    assert "Its image is not published." in page.text


def test_only_the_middle_of_a_large_tile(out, tmp_path):
    pixels = image((300, 700), "uint8")
    keep(out, published(out, "a", pixels, ("y", "x"), tile=1024, input_folder=tmp_path))
    page = page_of(out, summarised(out, {"good": 1}))
    assert page.pictures("before")[0].size == (256, 256)
    assert "its middle 256 × 256 px are shown" in page.text


def test_colours_bands_and_many_channels(out, tmp_path):
    rows = published(out, "rgb", image((3, 64, 64), "uint8"), ("c", "y", "x"), tile=64, input_folder=tmp_path)
    rows += published(out, "five", image((5, 64, 64), "uint8"), ("c", "y", "x"), tile=64, input_folder=tmp_path)
    keep(out, rows)
    page = page_of(out, summarised(out, {"good": 2}))
    assert {each.mode for each in page.pictures("before")} == {"RGB", "L"}
    assert page.pictures("restored image of rgb")[0].mode == "RGB"
    assert page.pictures("restored image of five")[0].mode == "L"
    assert "64 × 64 px; channel band 0" in page.text


def test_a_scene_shows_its_red_green_and_blue(out, tmp_path):
    pixels = np.zeros((4, 32, 48), np.uint16)
    pixels[0], pixels[1], pixels[2], pixels[3] = (np.linspace(a, b, 48) for a, b in ((1, 2), (9, 3), (5, 5), (0, 900)))
    names = ("B02", "B03", "B04", "B08")
    rows = published(
        out, "s", pixels, ("c", "y", "x"), tile=32, input_folder=tmp_path, layout="geo", names=names, nodata=5.0
    )
    keep(out, rows)
    page = page_of(out, summarised(out, {"good": len(rows)}))
    red, green, blue = page.pictures("restored image of s")[0].split()
    assert red.getextrema()[1] < 40  # all of it is nodata; JPEG lets a little of the others in
    assert green.getpixel((0, 5)) > green.getpixel((47, 5))
    assert blue.getpixel((0, 5)) < blue.getpixel((47, 5))
    assert "channel B04, B03, B02" in page.text
    assert "xarray.open_zarr('s.zarr', decode_coords=\"all\")" in page.text


def test_what_is_dear_to_read_is_shown_in_one_channel_or_not_at_all(out, tmp_path, monkeypatch):
    pixels = image((3, 40, 1300), "uint8")
    rows = published(out, "s", pixels, ("c", "y", "x"), tile=64, input_folder=tmp_path, layout="geo")
    keep(out, rows)
    summary = summarised(out, {"good": len(rows)})
    for readable, mode in ((3 * 40 * 1300, "RGB"), (40 * 1300, "L")):
        monkeypatch.setattr("tasks.report.verdict_maps.READABLE", readable)
        assert page_of(out, summary).pictures("restored image of s")[0].mode == mode
    monkeypatch.setattr("tasks.report.verdict_maps.READABLE", 0)
    page = page_of(out, summary)
    assert not page.pictures("restored image of s")
    assert "too large for a thumbnail without half-size copies" in page.text
    assert len(page.pictures("0 failed, 0 suspect, 21 good tiles")) == 1


def test_bad_tiles_smaller_than_a_pixel_of_the_map_are_seen(out):
    rows = [row("a", n, code=1 + (n % 4 == 1), x0=8 * n, w=8, h=8) for n in range(1024)]
    keep(out, rows)
    (overlay,) = page_of(out, summarised(out, counted(rows))).pictures("0 failed, 256 suspect")
    assert (np.asarray(overlay) == 2).sum() >= 256


def test_a_stack_shows_its_worst_plane(out, tmp_path):
    rows = published(
        out,
        "a",
        image((6, 64, 64), "uint8"),
        ("z", "y", "x"),
        codes=[1] * 17 + [2, 2, 1, 1, 1, 1, 1],
        input_folder=tmp_path,
    )
    keep(out, rows)
    page = page_of(out, summarised(out, counted(rows)))
    assert "64 × 64 px × 6 planes; this is z = 4, the bars are all planes in order" in page.text
    (overlay,) = page.pictures("0 failed, 2 suspect, 22 good tiles")
    codes = np.asarray(overlay)
    assert codes.shape == (320, 320)
    assert {codes[80, 80], codes[80, 240], codes[240, 80], codes[240, 240]} == {1, 2}
    strip = re.search(r'aria-label="verdicts along the planes">(.*?)</svg>', page.html, re.DOTALL)[1]
    assert strip.count('class="c1"') == 6
    assert strip.count('class="c2"') == 1
    assert "suspect a 17 0, 0, 4 0–31 32–63" in page.text


def test_channels_that_were_restored_apart(out, tmp_path):
    pixels = image((2, 32, 32), "uint8")
    rows = published(out, "a", pixels, ("c", "y", "x"), codes=[1, 2], input_folder=tmp_path, joint=False)
    keep(out, rows)
    page = page_of(out, summarised(out, counted(rows)))
    assert "this is c = 1" in page.text
    assert "channel band 1" in page.text
    assert np.asarray(page.pictures("before")[0]).std() > 0


def test_odd_images(out, tmp_path):
    empty = np.full((40, 50), np.nan, np.float32)
    rows = published(out, "nothing", empty, ("y", "x"), codes=[0], input_folder=tmp_path, nodata=np.nan)
    rows += published(out, "dot", np.ones((1, 1), np.uint8), ("y", "x"), codes=[2], input_folder=tmp_path)
    rows += published(out, "flat", np.full((40, 50), 7, np.float32), ("y", "x"), codes=[3], input_folder=tmp_path)
    rows += published(out, "line", image((1, 500), "uint8"), ("y", "x"), codes=[1], input_folder=tmp_path)
    half = image((32, 32), "float32")
    half[:20] = np.nan
    rows += published(out, "half", half, ("y", "x"), codes=[2], input_folder=tmp_path, nodata=np.nan)
    keep(out, rows)
    with np.errstate(all="raise", under="ignore"):
        page = page_of(out, summarised(out, counted(rows)))
    assert {each[0] for each in page.images} >= {
        f"restored image of {each}" for each in ("nothing", "dot", "flat", "line")
    }


def test_nothing_but_empty_tiles(out, tmp_path):
    rows = published(out, "a", np.zeros((40, 50), np.uint8), ("y", "x"), codes=[0], input_folder=tmp_path, nodata=0)
    keep(out, rows)
    page = page_of(out, summarised(out, counted(rows)))
    assert "No tile was restored." in page.text
    assert "4 empty" in page.text


def test_curves(out, plates):
    page = page_of(out, summarised(out, counted(plates)))
    assert "How fits converged" in page.text
    assert page.html.count("<polyline") == 6
    assert "b , tile 3: stopped after 100 steps, plateau" in page.text


def test_tiles_that_share_a_network_share_a_curve(out, plates):
    keep(out, [each | {"curve_loss": [9.0, 3.0, 2.0]} for each in plates])
    page = page_of(out, summarised(out, counted(plates), recipe={"scope": "input"}))
    assert page.html.count("<polyline") == 2
    assert "Loss over the steps of the one network of each input" in page.text


def test_a_direct_method_has_no_curves_and_no_steps(out, plates):
    direct = {"status": "direct", "best_step": 0, "steps": 0, "curve_step": [], "curve_loss": []}
    keep(out, [each | direct for each in plates])
    page = page_of(out, summarised(out, counted(plates), method="nlm"))
    assert "None in this run: the method takes no steps." in page.text
    assert "How fits converged" not in page.text
    assert "Network none, a direct method" in page.text


def test_lists_are_cut_and_it_says_so(out):
    rows = [row(f"field{n:03d}", 0, code=2) for n in range(230)]
    keep(out, rows)
    failed = {f"plate{n:03d}": "gone" for n in range(120)}
    page = page_of(out, summarised(out, {"suspect": 230}, failed=failed))
    assert "The first 200 of 230 ; the query below gives all." in page.text
    assert "The 24 worst of 230 inputs." in page.text
    assert "The first 200 of 230." in page.text
    assert "The first 100 of 120; last_run.json beside this page lists all." in page.text
    table = re.search(r'<section id="look-at">.*?</table>', page.html, re.DOTALL)[0]
    assert table.count("<tr>") == 201
    assert page.html.count('class="map"') == 24


def test_the_query_gives_all_of_them(out, plates, monkeypatch):
    keep(out, [row("c", n, code=2 + n % 2) for n in range(300)], "more")
    monkeypatch.chdir(out.uri)
    found = duckdb.sql(QUERY).fetchall()
    assert len(found) == 304
    page = page_of(out, summarised(out, {}))
    assert "the query below gives all" in page.text
    assert QUERY in re.sub(r"&#39;", "'", page.html)


def test_snippets_name_what_is_there(out, plates):
    page = page_of(out, summarised(out, counted(plates)))
    names = set(re.findall(r"\S+\.zarr", " ".join(re.findall(r"<pre>(.*?)</pre>", page.html, re.DOTALL))))
    assert names
    for name in names:
        assert out.exists(name.split("&#39;")[-1].split("HOST/")[-1] + "/zarr.json")


def test_the_same_again_from_what_was_kept(out, plates):
    summary = summarised(out, counted(plates))
    write_report(out, summary)
    first = out.read("report.html")
    write_report(out, read_summary(out))
    assert out.read("report.html") == first


def test_on_an_object_store(tmp_path):
    out = Place("memory://report/liver")
    rows = published(out, "a", image((64, 64), "uint8"), ("y", "x"), codes=[1, 2], input_folder=tmp_path)
    keep(out, rows)
    page = page_of(out, summarised(out, counted(rows)))
    assert len(page.pictures("before")) == len(page.pictures("after")) > 1
    out.remove()


def test_a_column_that_an_older_version_did_not_write(out, plates):
    table = many_rows(10, 1).drop_columns(["seam", "device"])
    keep(out, plates)
    pq.write_table(table, Path(out.uri) / CONVERGENCE / "old.parquet")
    assert "Tiles 26" in page_of(out, summarised(out, {})).text


def test_a_damaged_table_is_named(out, plates):
    out.write(f"{CONVERGENCE}/b.parquet", b"torn")
    with pytest.raises(RequestError, match=r"convergence/b\.parquet' is not a part"):
        write_report(out, summarised(out, {}))


def test_a_hundred_thousand_rows(out):
    table = many_rows(100_000)
    for part in range(10):
        out.write(f"{CONVERGENCE}/{part}.parquet", ledger.joined([table.slice(part * 10_000, 10_000)]))
    summary = summarised(out, {"good": 1})
    began = time.monotonic()
    page = page_of(out, summary)
    assert time.monotonic() - began < 20  # three seconds on a machine with nothing else to do
    assert len(page.html) < 10e6
    verdicts = np.array(table.column("verdict"))
    assert f"{(verdicts == 'suspect').sum():,} of 100,000 tiles are suspect or failed" in page.text


def test_little_is_imported():
    code = "import sys, tasks.report.page; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "prefect", "zarr", "xarray"} & set(found.stdout.split())


def test_learned_starts_in_words() -> None:
    assert rungs({}) == ""
    told = rungs({"gain_tuning": 2, "start": 1200})
    assert told == "a learned start (as it is: 1,200; adapted by gain_tuning: 2)"
