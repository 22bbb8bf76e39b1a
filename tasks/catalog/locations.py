"""Where inputs lie: a local path, or a URI that fsspec opens."""

import re
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from tasks.errors import InputError

PROTOCOLS = ("s3", "https", "http", "gs", "abfs", "memory", "skimage")
EXTRAS = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3"), "http": ("aiohttp", "http"), "https": ("aiohttp", "http")}


def scheme(uri: str) -> str:
    """The protocol of a URI in lower case; '' for a local path, also where it is written file://."""
    # Two letters at least: C:/ is a drive.
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", uri)
    name = match.group(1).lower() if match else ""
    return "" if name in ("file", "local") else name


def plain(uri: str) -> str:
    """A local path without its file://, every other URI as it is."""
    return re.sub(r"^(file|local)://", "", uri, flags=re.IGNORECASE) if scheme(uri) == "" else uri


def split_variable(uri: str) -> tuple[str, str | None]:
    """A store and the variable in it that 'scene.nc#red' and 'scene.zarr#red' ask for."""
    match = re.match(r"(.*\.(?:nc|nc4|cdf|zarr)/?)#([^#]+)$", uri, flags=re.IGNORECASE)
    return (match.group(1), match.group(2)) if match else (uri, None)


def file_name(uri: str) -> str:
    """The last part of the path, without query and variable."""
    path, _ = split_variable(uri)
    if scheme(path) in ("http", "https", "skimage"):
        path = path.split("?")[0].split("#")[0]
    return PurePosixPath(path.rstrip("/")).name


def suffix(uri: str) -> str:
    """The extension in lower case, with its dot; '' where there is none."""
    return PurePosixPath(file_name(uri)).suffix.lower()


def connect(uri: str, wrong: type[ValueError] = InputError) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the path in it.

    Raises `wrong` where the protocol is unknown or its package is missing.
    """
    import fsspec

    name = scheme(uri)
    try:
        return fsspec.core.url_to_fs(plain(uri))
    except ImportError as error:
        package, extra = EXTRAS.get(name, ("", ""))
        hint = f"{package}: pip install 'selfmend[{extra}]'" if extra else f"another package: {error}"
        raise wrong(f"Reading {uri} needs {hint}.") from error
    except ValueError as error:
        known = ", ".join(PROTOCOLS)
        raise wrong(f"'{uri}': there is no protocol '{name}://'; use a path or one of {known}.") from error


def open_bytes(uri: str) -> BinaryIO:
    """A file of any protocol, opened for reading. Raises OSError or what the protocol raises."""
    if scheme(uri) == "":
        return open(plain(uri), "rb")
    files, path = connect(uri)
    # Small blocks: a TIFF's directories lie far apart, and each would fetch a whole block.
    return files.open(path, "rb", block_size=2**18)


def needed(module: str, extra: str, uri: str) -> Any:
    """A module that belongs to an extra of the package. Raises InputError with the way to get it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"Reading {uri} needs {module}: pip install 'selfmend[{extra}]'.") from error


def check_there(uri: str) -> None:
    """Raises InputError where nothing is, or where it cannot be reached. Stores on the web are left to their reader."""
    if scheme(uri) == "":
        if not Path(plain(uri)).exists():
            raise InputError(f"There is no file '{uri}'.")
        return
    if scheme(uri) == "skimage" or suffix(uri) == ".zarr":
        return
    files, path = connect(uri)
    try:
        files.info(path)
    except Exception as error:
        raise InputError(f"'{uri}' cannot be reached: {cause(error)}.") from error


def cause(error: Exception) -> str:
    """What a library said, on one line and without its full stop, to be put into a sentence."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300].rstrip('.')}"
