"""The catalogue: facts, every way to get them wrong, inputs and their names, stamps and twins."""

import os
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.catalog.document import Facts, facts_of, find_catalog, find_inputs, load_catalog, shipped_catalog_path
from tasks.catalog.naming import TAKEN, safe_names
from tasks.catalog.noise import CameraNoise, GaussianNoise, KnownNone, SpeckleNoise
from tasks.errors import RequestError
from tasks.readers import open_input


def catalog(tmp_path, text):
    (tmp_path / "cat.yaml").write_text(text)
    return load_catalog(tmp_path / "cat.yaml")


def entry(**known):
    return Facts.model_validate({"title": "a test", **known})


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def names(source, **known):
    return [ref.name for ref in find_inputs("test", entry(source=str(source), **known))]


# -------------------- facts

FULL = """
collections:
  liver:
    title: Liver, confocal
    source: [data/a/*.tif, "~/b.tif", "s3://bucket/*.tif"]
    reader: tiff
    axes: ZCYX
    channels: [nuclei, membranes]
    pixel_size: {z: 0.5, y: 0.1, x: 1e-1, unit: micrometer}
    noise: {kind: camera, gain: 2, offset: 100, read_noise: 3}
    psf: psf.tif
    nodata: .nan
    crs: EPSG:32633
    reference: {source: clean/*.tif, match: affine}
    licence: CC0
  other:
    title: Short
    source: x.tif
"""


def test_a_full_entry(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    facts = catalog(tmp_path, FULL)["liver"]
    assert facts.source == (f"{tmp_path}/data/a/*.tif", "/home/someone/b.tif", "s3://bucket/*.tif")
    assert facts.psf == f"{tmp_path}/psf.tif"
    assert facts.reference.source == f"{tmp_path}/clean/*.tif"
    assert facts.reference.match == "affine"
    assert facts.axes == "zcyx"
    assert facts.channels == ("nuclei", "membranes")
    assert facts.pixel_size.x == 0.1
    assert np.isnan(facts.nodata)
    assert facts.noise == CameraNoise(kind="camera", gain=2, offset=100, read_noise=3)


def test_defaults(tmp_path):
    facts = catalog(tmp_path, FULL)["other"]
    assert facts.noise == "estimate"
    assert facts.model_dump(exclude_defaults=True) == {"title": "Short", "source": f"{tmp_path}/x.tif"}


def test_facts_survive_json(tmp_path):
    for facts in catalog(tmp_path, FULL).values():
        again = Facts.model_validate_json(facts.model_dump_json())
        assert again.model_dump_json() == facts.model_dump_json()
    assert np.isnan(Facts.model_validate_json(catalog(tmp_path, FULL)["liver"].model_dump_json()).nodata)


def test_facts_do_not_change(tmp_path):
    facts = catalog(tmp_path, FULL)["other"]
    with pytest.raises(ValueError, match="frozen"):
        facts.title = "another"


def test_every_fact_is_described():
    schema = Facts.model_json_schema()
    assert all("description" in field for field in schema["properties"].values())
    inner = [
        field for model in schema["$defs"].values() for name, field in model["properties"].items() if name != "kind"
    ]
    assert all("description" in field for field in inner)


def test_noise_in_data_units():
    assert CameraNoise(kind="camera", gain=2, offset=100, read_noise=3).affine == (2, 9 - 200)
    assert GaussianNoise(kind="gaussian", sigma=3).affine == (0, 9)
    assert KnownNone(kind="none").affine == (0, 0)
    assert entry(source="x", noise={"kind": "speckle"}).noise == SpeckleNoise(kind="speckle", looks="estimate")
    assert entry(source="x", noise={"kind": "speckle", "looks": 4}).noise == SpeckleNoise(kind="speckle", looks=4)
    assert entry(source="x", noise="none").noise == KnownNone(kind="none")
    assert entry(source="x", noise="pooled").noise == "pooled"


def test_noise_that_is_told_bears_what_it_bore_before_there_was_pooled_noise():
    assert entry(source="x", noise={"kind": "speckle"}).bearing()["noise"] == {"kind": "speckle", "looks": "estimate"}


# -------------------- what a user gets wrong


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "cat.yaml is empty; it needs a mapping 'collections:' of names to facts."),
        ("# nothing\n", "cat.yaml is empty"),
        ("- a\n- b\n", "cat.yaml: expected a mapping 'collections:' of names to facts, not a list."),
        ("just a text", "cat.yaml: expected a mapping 'collections:' of names to facts, not a text."),
        ("colections: {}", "'colections' is not a known key; allowed: collections. Did you mean 'collections'?"),
        ("collections: [a]", "cat.yaml: expected a mapping 'collections:' of names to facts"),
        ("{}", "cat.yaml: expected a mapping 'collections:' of names to facts, not a mapping without it."),
        ("collections:\n", "cat.yaml: expected a mapping 'collections:' of names to facts"),
        ("collections: {a: [}", "cat.yaml is not valid YAML in line 1, column 19"),
        ("collections:\n\ta: 1", "cat.yaml is not valid YAML in line 2, column 1"),
        ("collections: {a: !!python/object:os.system {}}", "cat.yaml is not valid YAML in line 1"),
        (
            "collections:\n  a: {title: x, source: y}\n  a: {title: x, source: y}",
            "line 3, column 3: the key 'a' is there twice",
        ),
        ("collections:\n  a:\n    title: x\n    title: y\n", "line 4, column 5: the key 'title' is there twice"),
        ("collections:\n  a/b: {title: x, source: y}", "collections.a/b: a name is up to 100 letters"),
        ("collections:\n  ..: {title: x, source: y}", "collections...: a name is up to 100 letters"),
        ("collections:\n  1: {title: x, source: y}", "collections.1: a name is up to 100 letters"),
    ],
)
def test_broken_catalogues(tmp_path, text, sentence):
    with pytest.raises(RequestError) as caught:
        catalog(tmp_path, text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("noize: none", "collections.liver.noize is not a known key; allowed: title, source, "),
        ("noize: none", "Did you mean 'noise'?"),
        ("noise: {kind: gaussian, sigma: -1}", "collections.liver.noise.sigma: should be greater than 0, not -1."),
        ("noise: {kind: gaussian}", "collections.liver.noise.sigma is missing; it must be given."),
        (
            "noise: {kind: gaussian, sigma: 1, gain: 2}",
            "collections.liver.noise.gain is not a known key; allowed: kind, sigma.",
        ),
        ("noise: {kind: camera, gain: lots}", "collections.liver.noise.gain: should be a valid number"),
        (
            "noise: {kind: camra, gain: 1}",
            "collections.liver.noise: allowed are 'estimate', 'pooled', 'none', {kind: gaussian, sigma}",
        ),
        ("noise: guess", "{kind: speckle, looks}"),
        (
            "noise: {kind: speckle, looks: 0}",
            "collections.liver.noise.looks: expected 'estimate', 'pooled' or a number from 0.1 to 10000, not 0.",
        ),
        ("noise: {kind: speckle, looks: many}", "liver.noise.looks: expected 'estimate', 'pooled' or a number"),
        ("noise: guess", "collections.liver.noise: allowed are 'estimate', 'pooled', 'none'"),
        (
            "noise: {kind: affine, gain: [1, 2], variance: [0]}",
            "collections.liver.noise.variance: expected as many as there are gains, 2, not [0].",
        ),
        (
            "noise: {kind: affine, gain: [1, 2], variance: [0, 0], correlation: [[0, 0]]}",
            "collections.liver.noise.correlation: expected as many as there are gains, 2",
        ),
        ("noise: {kind: affine, gain: [-1], variance: [0]}", "noise.gain.0: should be greater than or equal to 0"),
        ("noise: {kind: affine, gain: [], variance: []}", "collections.liver.noise.gain: "),
        ("noise: 3", "collections.liver.noise: allowed are 'estimate', 'pooled', 'none'"),
        ("axes: zyq", "collections.liver.axes: expected letters of 'tczyx', each once, y and x among them, not 'zyq'."),
        ("axes: yyx", "collections.liver.axes: expected letters of 'tczyx'"),
        ("axes: zc", "collections.liver.axes: expected letters of 'tczyx'"),
        ("reader: tif", "collections.liver.reader: there is no reader 'tif'; known: geotiff, netcdf, "),
        ("reader: tif", "Did you mean 'tiff'?"),
        ("pixel_size: 0.1", "collections.liver.pixel_size: expected a mapping with y, x, z, t, unit."),
        ("pixel_size: {x: 0}", "collections.liver.pixel_size.x: should be greater than 0, not 0."),
        ("pixel_size: {v: 1}", "collections.liver.pixel_size.v is not a known key; allowed: y, x, z, t, unit."),
        ("channels: 3", "collections.liver.channels: expected a list, not 3."),
        ("channels: []", "collections.liver.channels: "),
        (
            "reference: {source: x, match: linear}",
            "collections.liver.reference.match: should be 'none' or 'affine', not 'linear'.",
        ),
        (
            "reference: {source: [1]}",
            "collections.liver.reference.source: expected a path, glob or URI, or a list of them",
        ),
        ("nodata: much", "collections.liver.nodata: should be a valid number"),
    ],
)
def test_wrong_facts(tmp_path, wrong, sentence):
    with pytest.raises(RequestError) as caught:
        catalog(tmp_path, f"collections:\n  liver:\n    title: x\n    source: y\n    {wrong}\n")
    text = str(caught.value)
    assert text.startswith("cat.yaml: ")
    assert sentence in text
    assert "\n" not in text
    assert text.endswith((".", "?"))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", "collections.liver: expected a mapping with title, source, reader, "),
        ("{title: [1], source: x}", "collections.liver.title: expected a text, not [1]."),
        ("{title: x}", "collections.liver.source is missing; it must be given."),
        ("{source: x}", "collections.liver.title is missing; it must be given."),
        ("{title: x, source: 5}", "collections.liver.source: expected a path, glob or URI, or a list of them, not 5."),
        (
            "{title: x, source: []}",
            "collections.liver.source: expected a path, glob or URI, or a list of them, not [].",
        ),
        ("{title: 1, source: x, foo: 1, bar: 2}", "2 more to mend in this collection."),
    ],
)
def test_incomplete_entries(tmp_path, body, sentence):
    with pytest.raises(RequestError) as caught:
        catalog(tmp_path, f"collections:\n  liver: {body}\n")
    assert sentence in str(caught.value)


def test_no_catalogue_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_catalog() == shipped_catalog_path()
    with pytest.raises(RequestError, match=r"There is no catalogue 'mine.yaml'; leave it out to use"):
        find_catalog("mine.yaml")
    (tmp_path / "data_catalog.yaml").write_text("collections: {}")
    assert load_catalog(find_catalog()) == {}
    (tmp_path / "latin.yaml").write_bytes(b"collections: \xff")
    with pytest.raises(RequestError, match="is not a text in UTF-8"):
        load_catalog("latin.yaml")


def test_merge_keys_and_anchors_are_fine(tmp_path):
    text = """
collections:
  a: &base {title: x, source: a.tif, axes: zyx}
  b: {<<: *base, source: b.tif}
"""
    assert catalog(tmp_path, text)["b"].axes == "zyx"


# -------------------- from a word to facts


def test_a_collection_by_name(tmp_path):
    known = catalog(tmp_path, FULL)
    assert facts_of("other", known) == ("other", known["other"])
    with pytest.raises(
        RequestError, match=r"There is no collection 'othr'.*known: liver, other\. Did you mean 'other'\?"
    ):
        facts_of("othr", known)


def test_a_path_becomes_a_collection(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "plate 3/a.tif", "stack.ome.tif")
    name, facts = facts_of("plate 3/*.tif", {})
    assert name.startswith("plate_3-")
    assert facts.source == f"{tmp_path}/plate 3/*.tif"
    assert [ref.name for ref in find_inputs(name, facts)] == ["a"]
    assert facts_of("stack.ome.tif", {})[0].startswith("stack-")
    assert facts_of("./stack.ome.tif", {})[0] != facts_of("plate 3/a.tif", {})[0]
    assert facts_of("s3://bucket/scenes/*.tif", {})[0].startswith("scenes-")
    assert facts_of("skimage://cell?seed=1", {})[0].startswith("cell-")
    assert facts_of("stack.ome.tif", {})[0] == facts_of(str(tmp_path / "stack.ome.tif"), {})[0]


def test_environment_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("HERE", str(tmp_path / "here"))
    monkeypatch.delenv("NOWHERE", raising=False)
    text = """
collections:
  a: {title: x, source: $HERE/*.tif}
  b: {title: x, source: "${NOWHERE}/*.tif"}
  c: {title: x, source: x.tif, reference: {source: $NOWHERE}}
"""
    known = catalog(tmp_path, text)
    assert facts_of("a", known)[1].source == f"{tmp_path}/here/*.tif"
    with pytest.raises(
        RequestError, match=r"Collection 'b': the environment variable NOWHERE in source .* is not set\."
    ):
        facts_of("b", known)
    with pytest.raises(RequestError, match=r"Collection 'c': the environment variable NOWHERE in reference"):
        facts_of("c", known)


# -------------------- inputs


def test_glob_keeps_folders_and_order(tmp_path):
    touch(
        tmp_path,
        "plate3/B07.tif",
        "plate3/B06.tif",
        "plate1/A.ome.tif",
        "plate1/deep/C.tif",
        "plate1/.hidden.tif",
        ".p/x.tif",
    )
    assert names(tmp_path / "plate*" / "*.tif") == ["plate1/A", "plate3/B06", "plate3/B07"]
    assert names(tmp_path / "**" / "*.tif") == ["plate1/A", "plate1/deep/C", "plate3/B06", "plate3/B07"]
    assert names(tmp_path / "**") == ["plate1/A", "plate1/deep/C", "plate3/B06", "plate3/B07"]
    assert names(tmp_path / "plate?" / "B0[67].tif") == ["plate3/B06", "plate3/B07"]
    assert names(tmp_path / "plate3") == ["B06", "B07"]
    assert names(tmp_path / "plate3" / "B07.tif") == ["B07"]


def test_only_what_a_reader_knows(tmp_path):
    touch(tmp_path, "a.tif", "a.tif.aux.xml", "notes.txt", "b.czi", "Thumbs.db")
    assert names(tmp_path / "*") == ["a"]
    assert names(tmp_path) == ["a"]
    with pytest.raises(
        RequestError, match=r"holds 1 file\(s\) \(.czi\), which no reader knows; known are .bmp, .*OME-Zarr"
    ):
        names(tmp_path / "*.czi")
    assert names(tmp_path / "*.czi", reader="tiff") == ["b"]
    assert names(tmp_path / "b.czi") == ["b"]


def test_stores_are_one_input_each(tmp_path):
    touch(tmp_path, "a.zarr/0/0.0", "a.zarr/.zgroup", "b/zarr.json", "b/0/zarr.json", "c/x.tif", "d.ome.zarr/zarr.json")
    assert names(tmp_path / "*") == ["a", "b", "d"]
    assert names(tmp_path) == ["a", "b", "d"]
    assert names(tmp_path / "b") == ["b"]
    assert names(tmp_path / "a.zarr") == ["a"]
    # A store is not searched, whatever it is named.
    assert names(tmp_path / "**") == ["a", "b", "c/x", "d"]
    assert names(tmp_path / "**" / "*.tif") == ["c/x"]


def test_names_that_are_alike(tmp_path):
    touch(tmp_path, "a.tif", "a.png", "b.tif", "x/c.tif", "y/c.tif")
    assert names(tmp_path / "*") == ["a.png", "a.tif", "b"]
    several = [str(tmp_path / "x" / "*.tif"), str(tmp_path / "y" / "*.tif")]
    found = [ref.name for ref in find_inputs("test", entry(source=several))]
    assert [name.partition("-")[0] for name in found] == ["c.tif", "c.tif"]
    assert len(set(found)) == 2
    assert found == [ref.name for ref in find_inputs("test", entry(source=several))]


PATHS = st.lists(
    st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=12), min_size=1, max_size=3).map(
        "/".join
    ),
    min_size=1,
    max_size=8,
    unique=True,
)


@given(paths=PATHS)
@example(paths=[",", "\ud800"])
@settings(max_examples=300, deadline=None)
def test_names_are_safe_whatever_the_path(paths):
    found = safe_names(paths, [f"file://{path}" for path in paths])
    assert len({name.casefold() for name in found}) == len(paths)
    for name in found:
        parts = name.split("/")
        assert all(part and not part.startswith(".") and part != ".." for part in parts)
        assert not any(ord(sign) < 32 or sign in '\\:*?"<>|% ' for sign in name)
        assert len(parts) == 1 or parts[0] not in TAKEN
        assert not any(part.lower().endswith(".zarr") for part in parts[:-1])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("plate3/B07.tif", "plate3/B07"),
        ("a b/ü.ome.tif", "a_b/ü"),
        (".hidden.tif", "_hidden"),
        ("../x.tif", "_/x"),
        ("convergence/x.tif", "convergence_/x"),
        ("s.zarr/x.tif", "s_zarr/x"),
        ("v1.2/img.0001.tif", "v1.2/img.0001"),
        ("new\nline.tif", "new_line"),
        ("x" * 300 + ".tif", "x" * 111 + "-"),
    ],
)
def test_some_names(path, name):
    assert safe_names([path], ["u"])[0].startswith(name)


def test_nothing_there(tmp_path):
    touch(tmp_path, "there/a.tif")
    with pytest.raises(
        RequestError, match=r"Collection 'test': source: '.*/x\*.tif' stands for nothing: nothing in '.*/there' fits"
    ):
        names(tmp_path / "there" / "x*.tif")
    with pytest.raises(RequestError, match=r"there is no folder '.*/thre'\. '.*' is there\."):
        names(tmp_path / "thre" / "*.tif")
    with pytest.raises(RequestError, match=r"There is no file or folder '.*/there/b.tif'"):
        names(tmp_path / "there" / "b.tif")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match=r"stands for nothing"):
        names(tmp_path / "empty")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("s4://bucket/x.tif", r"there is no protocol 's4://'; use a path or one of s3, https"),
        ("memory://nowhere/*.tif", "is not there|stands for nothing"),
        ("memory://nowhere/x.tif", "There is no 'memory://nowhere/x.tif'"),
    ],
)
def test_places_that_cannot_be_reached(source, sentence):
    with pytest.raises(RequestError, match=sentence):
        names(source)


def test_a_missing_package(monkeypatch):
    def missing(uri):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(RequestError, match=r"Reading s3://bucket/x.tif needs s3fs: pip install 'selfmend\[s3\]'\."):
        names("s3://bucket/x.tif")


def test_links_and_their_ends(tmp_path):
    touch(tmp_path, "real/a.tif")
    (tmp_path / "real" / "gone.tif").symlink_to(tmp_path / "nothing.tif")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "real")
    assert names(tmp_path / "real" / "*.tif") == ["a", "gone"]
    assert names(tmp_path / "**" / "*.tif") == ["real/a", "real/gone"]


def test_a_name_with_brackets_is_a_file(tmp_path):
    touch(tmp_path, "scan[1].tif")
    assert names(tmp_path / "scan[1].tif") == ["scan_1_"]


# -------------------- stamps


def stamps(source):
    return [ref.fingerprint for ref in find_inputs("test", entry(source=str(source)))]


def test_stamp_of_a_file(tmp_path):
    touch(tmp_path, "a.tif", "b.tif")
    before = stamps(tmp_path / "*.tif")
    assert before == stamps(tmp_path / "*.tif")
    assert before[0] == stamps(tmp_path / "a.tif")[0]
    os.utime(tmp_path / "a.tif", ns=(1, 1))
    after = stamps(tmp_path / "*.tif")
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)


def test_stamp_of_a_store(tmp_path):
    touch(tmp_path, "a.zarr/.zgroup", "a.zarr/0/0.0", "a.zarr/0/0.1")
    before = stamps(tmp_path / "a.zarr")
    assert before == stamps(tmp_path / "*.zarr")
    touch(tmp_path, "a.zarr/0/0.2")
    changed = stamps(tmp_path / "a.zarr")
    assert changed != before
    os.utime(tmp_path / "a.zarr/0/0.0", ns=(1, 1))
    assert stamps(tmp_path / "a.zarr") != changed


def test_stamp_elsewhere():
    files = fsspec.filesystem("memory")
    files.pipe("/stamps/a.tif", b"1")
    before = stamps("memory://stamps/a.tif")
    assert before == stamps("memory://stamps/*.tif")
    files.pipe("/stamps/a.tif", b"12")
    assert stamps("memory://stamps/a.tif") != before
    assert "scikit-image" in stamps("skimage://cell")[0]


def test_many_files_take_seconds(tmp_path):
    for number in range(20_000):
        (tmp_path / f"{number:05d}.tif").touch()
    start = time.perf_counter()
    found = find_inputs("test", entry(source=str(tmp_path / "*.tif")))
    assert len(found) == 20_000
    assert time.perf_counter() - start < 10


# -------------------- twins


def twins(source, reference):
    refs = find_inputs("test", entry(source=source, reference={"source": reference}))
    return {ref.name: ref.reference and Path(ref.reference.partition("?")[0]).name for ref in refs}


def test_twins_of_the_same_name(tmp_path):
    touch(tmp_path, "noisy/p/a.tif", "noisy/p/b.tif", "noisy/c.tif", "clean/p/b.png", "clean/p/a.png", "clean/z.png")
    found = twins(str(tmp_path / "noisy/**/*.tif"), str(tmp_path / "clean/**/*.png"))
    assert found == {"c": None, "p/a": "a.png", "p/b": "b.png"}


def test_twins_in_order_and_one_for_all(tmp_path):
    touch(tmp_path, "n1.tif", "n2.tif", "x.tif", "c1.png", "c2.png")
    assert twins(str(tmp_path / "n*.tif"), str(tmp_path / "c*.png")) == {"n1": "c1.png", "n2": "c2.png"}
    assert twins(str(tmp_path / "n*.tif"), str(tmp_path / "c1.png")) == {"n1": "c1.png", "n2": "c1.png"}
    with pytest.raises(RequestError, match="3 inputs and 2 references do not pair; give both the same names"):
        twins([str(tmp_path / "n*.tif"), str(tmp_path / "x.tif")], str(tmp_path / "c*.png"))


def test_exposures_of_one_field_share_its_twin():
    noisy = ["skimage://cell?sigma=3&seed=1", "skimage://cell?sigma=3&seed=2", "skimage://moon?sigma=3&seed=1"]
    found = twins(noisy, ["skimage://moon", "skimage://cell"])
    assert sorted(found.values()) == ["cell", "cell", "moon"]
    assert len(found) == 3


# -------------------- the shipped one


def test_the_shipped_catalogue_works():
    known = load_catalog(shipped_catalog_path())
    assert {"cells_demo", "moon_demo"} <= set(known)
    for name in known:
        name, facts = facts_of(name, known)
        for ref in find_inputs(name, facts):
            noisy, clean = (open_input(uri, facts) for uri in (ref.uri, ref.reference))
            finer = clean.sizes["y"] // noisy.sizes["y"]  # the twin of what is to be enlarged has the image's size
            if finer > 1:
                clean = clean.coarsen(y=finer, x=finer).mean()
            assert noisy.sizes == clean.sizes
            error = (noisy.astype(float) - clean).values
            assert abs(error.mean()) < 0.05 * error.std() or facts.psf  # blur carries light over the border of a crop
            assert 0.02 < error.std() / clean.values.std() < 3


def test_importing_is_light():
    code = (
        "import sys, time; t = time.perf_counter(); import tasks.catalog.document; seconds = time.perf_counter() - t;"
        "heavy = {'torch', 'prefect', 'zarr', 'xarray', 'pandas', 'numpy', 'dask', 'tifffile'} & set(sys.modules);"
        "print(seconds, heavy); sys.exit(bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def bucket():
    """A bucket with a TIFF, a GeoTIFF and a store, on a server in this process."""
    server_of = pytest.importorskip("moto.server").ThreadedMotoServer
    pytest.importorskip("s3fs")
    server = server_of(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    known = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    with pytest.MonkeyPatch.context() as patch:
        for key, value in (known | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
            patch.setenv(key, value)
        files = fsspec.filesystem("s3")
        files.mkdir("images")
        yield files
    server.stop()


def test_object_store(bucket, tmp_path):
    import rasterio
    import zarr

    data = np.arange(24 * 17, dtype="uint16").reshape(24, 17)
    tifffile.imwrite(tmp_path / "a.tif", data, compression="zlib")
    where = {"crs": "EPSG:32633", "transform": rasterio.transform.from_origin(5e5, 5e6, 10, 10)}
    size = {"width": 17, "height": 24, "count": 1, "dtype": "uint16"}
    with rasterio.open(tmp_path / "b.tif", "w", driver="GTiff", **size, **where) as file:
        file.write(data, 1)
    zarr.create_array(tmp_path / "c.zarr", data=data)
    bucket.put(str(tmp_path), "images/set", recursive=True)
    found = find_inputs("test", entry(source="s3://images/set/**/*"))
    assert [ref.name.rpartition("/")[2] for ref in found] == ["a", "b", "c"]
    assert len({ref.fingerprint for ref in found}) == 3
    for ref in found:
        np.testing.assert_array_equal(np.squeeze(open_input(ref.uri, entry(source="x")).values), data)
    with pytest.raises(RequestError, match="'s3://no-such-bucket' is not there"):
        names("s3://no-such-bucket/*.tif")
