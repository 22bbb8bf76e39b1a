"""What is meant to do harm, or might as well be: sizes that nobody measured, Python objects, names, and secrets."""

import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import zarr

from tasks.catalog.facts import Facts
from tasks.catalog.listing import expand
from tasks.catalog.naming import safe_names
from tasks.errors import InputError, RequestError
from tasks.psf import psf_from_file
from tasks.readers import open_input
from tasks.readers._canonical import canonical
from tasks.readers._stored import Stored
from tasks.readers._zarr_store import require_harmless
from tasks.stores.place import Place

SECRET = "hunter2-9f"


class Trap:
    """Makes a folder when it is read by pickle."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.sprung,)


def facts(source: str) -> Facts:
    return Facts(title="hostile", source=source)


def declared(path: Path, shape: tuple[int, ...], chunks: tuple[int, ...]) -> str:
    """A store of a few bytes that says it is large."""
    zarr.create_array(str(path), shape=shape, chunks=chunks, dtype="uint16")
    return str(path)


def test_a_store_that_says_it_is_larger_than_any_instrument_writes(tmp_path: Path) -> None:
    uri = declared(tmp_path / "bomb.zarr", (2**24, 2**24), (256, 256))
    with pytest.raises(InputError, match=r"bomb\.zarr says that it is .* 512 TiB, and 64 are allowed; check the file"):
        open_input(uri, facts(uri))


def test_a_store_whose_chunks_no_memory_holds(tmp_path: Path) -> None:
    uri = declared(tmp_path / "bomb.zarr", (2**17, 2**17), (2**17, 2**17))
    with pytest.raises(InputError, match=r"pieces of 32\.0 GiB .* 4 are allowed; write it again in smaller"):
        open_input(uri, facts(uri))


def test_a_tiff_whose_one_strip_no_memory_holds() -> None:
    pixels: Any = SimpleNamespace(shape=(2**16, 2**17), dtype=np.dtype("uint16"))
    with pytest.raises(InputError, match=r"a\.tif can only be read in pieces of 16\.0 GiB"):
        canonical(Stored("a.tif", pixels, ("y", "x"), (2**16, 2**17)), facts("a.tif"))


def test_python_objects_in_a_zarr_store_are_never_made(tmp_path: Path) -> None:
    store = tmp_path / "trap.zarr"
    store.mkdir()
    document = {
        "zarr_format": 2, "shape": [4, 4], "chunks": [4, 4], "dtype": "<u2", "fill_value": 0, "order": "C",
        "filters": [{"id": "pickle", "protocol": 4}], "compressor": None,
    }  # fmt: skip
    (store / ".zarray").write_text(json.dumps(document))
    (store / "0.0").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(InputError):
        open_input(str(store), facts(str(store)))
    assert not (tmp_path / "sprung").exists()


def test_python_objects_in_an_array_of_numpy_are_never_made(tmp_path: Path) -> None:
    np.save(tmp_path / "psf.npy", np.array([Trap(tmp_path / "sprung")], object), allow_pickle=True)
    with pytest.raises(RequestError, match=r"The PSF '.*psf\.npy' cannot be read"):
        psf_from_file(str(tmp_path / "psf.npy"), "The PSF")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("dtype", ["uint16", "O"])
def test_by_codec_and_by_type(dtype: str) -> None:
    class Pickle:
        codec_id = "pickle"

    metadata = SimpleNamespace(filters=[Pickle()] if dtype != "O" else [], compressor=None)
    with pytest.raises(InputError, match=r"a\.zarr holds Python objects, which run code when they are read"):
        require_harmless(SimpleNamespace(metadata=metadata, dtype=np.dtype(dtype)), "a.zarr")


@pytest.mark.parametrize(
    "name",
    ["CON", "nul.tif", "Com1.ome.tif", "LPT9", "aux/prn", "../../etc/passwd", "a/../../b", "x\x00y\x1b[2J", "end...",
     "/root", "..", "a\\..\\b", "C:/x", "tab\tnew\nline", "\u202egnp"],
)  # fmt: skip
def test_no_name_leaves_or_breaks_the_output(tmp_path: Path, name: str) -> None:
    (safe,) = safe_names([name], [name])
    out = Place(str(tmp_path))
    below = out / f"{safe}.zarr"
    assert below.local is not None
    assert below.local.resolve().is_relative_to(tmp_path)
    assert safe.isprintable()
    for part in safe.split("/"):
        assert part.split(".")[0].casefold() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}
        assert part[-1] not in ". "
    below.write("zarr.json", b"{}")
    assert len(out.names()) == 1


@pytest.mark.parametrize(
    "uri",
    [f"s3://AKIA:{SECRET}@bucket/out", f"https://someone:{SECRET}@host/a.tif", f"https://host/a.tif?token={SECRET}",
     f"https://b.s3.amazonaws.com/a.tif?X-Amz-Date=1&X-Amz-Signature={SECRET}", f"abfs://c@h/a?sv=1&sig={SECRET}",
     f"simplecache::ftp://u:{SECRET}@host/a.tif"],
)  # fmt: skip
def test_a_uri_with_a_secret_is_refused_and_not_repeated(uri: str) -> None:
    for use in (Place, expand):
        with pytest.raises(RequestError, match="which would stand in every log, report and image") as caught:
            use(uri)
        assert SECRET not in str(caught.value)
        assert "AKIA" not in str(caught.value)


@pytest.mark.parametrize("uri", ["s3://bucket/a b@c/out", "https://host/a.tif?version=3", "/data/run@2:3/x", "C:/x?y"])
def test_other_uris_are_none(uri: str) -> None:
    Place(uri)
