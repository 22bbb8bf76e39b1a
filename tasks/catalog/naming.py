"""Names of inputs, made from their paths: safe as a path below the output, and no two alike."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

# What else lies in a collection's folder of the output.
TAKEN = {"convergence", "report.html"}
LONGEST = 120
# Names of devices of Windows, with any extension.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)


def safe_names(paths: Sequence[str], uris: Sequence[str]) -> list[str]:
    """One name per path, without extension where that is enough to tell them apart.

    Args:
        paths: path of each input below the fixed part of its pattern, with '/' between folders.
        uris: where each input lies; tells apart what even the extension does not.

    Names keep their folders, hold letters, digits and '._-+=@' only, begin with neither '.' nor '/', are no devices of
    Windows, and differ in more than case. Where two would be alike, both keep their extension; if that does not help,
    both get a hash of their URI.
    """
    names = stems(paths)
    names = [_safe(path) if twice else name for path, name, twice in zip(paths, names, _alike(names), strict=True)]
    return [
        f"{name}-{_hash(uri)}" if twice else name for name, uri, twice in zip(names, uris, _alike(names), strict=True)
    ]


def stems(paths: Sequence[str]) -> list[str]:
    """Safe names without extension, also where two are alike."""
    return [_safe(_without_extension(path)) for path in paths]


def collection_name(source: str) -> str:
    """Name of a collection that was given as a place: its last fixed part, and a hash that tells equal names apart."""
    fixed = re.split(r"[*?\[]", source.split("://")[-1])[0].rstrip("/")
    stem = _safe(_without_extension(fixed.rpartition("/")[2])).replace("/", "_")
    return f"{stem}-{_hash(source)[:6]}"


def _alike(names: Sequence[str]) -> list[bool]:
    counts = Counter(name.casefold() for name in names)
    return [counts[name.casefold()] > 1 for name in names]


def _without_extension(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    # A name that begins with its only dot is no extension.
    name = re.sub(r"(?<=.)(\.ome)?\.[A-Za-z][A-Za-z0-9]{0,7}$", "", name, flags=re.IGNORECASE)
    return folder + slash + name


def _safe(path: str) -> str:
    parts = [_safe_part(part) for part in path.split("/") if part not in ("", ".")]
    # A folder x.zarr would lie inside the restored store of an input x.
    parts[:-1] = [re.sub(r"\.(?=zarr$)", "_", part, flags=re.IGNORECASE) for part in parts[:-1]]
    if len(parts) > 1 and parts[0].casefold() in TAKEN:
        parts[0] += "_"
    return "/".join(parts) or "input"


def _safe_part(part: str) -> str:
    clean = re.sub(r"[^\w.\-+=@]", "_", unicodedata.normalize("NFC", part)).rstrip(".")
    clean = re.sub(r"^\.+", lambda dots: "_" * len(dots.group()), clean) or "_"
    clean = _DEVICE.sub(lambda name: f"{name.group()}_", clean, count=1) if _DEVICE.match(clean) else clean
    if len(clean.encode()) <= LONGEST:
        return clean
    return f"{clean.encode()[: LONGEST - 9].decode(errors='ignore')}-{_hash(part)}"


def _hash(text: str) -> str:
    return hashlib.blake2b(_encoded(text), digest_size=4).hexdigest()


def _encoded(text: str) -> bytes:
    """Bytes of any text: those of the file's name as the disk has them, even where they are no UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Half a surrogate pair comes from an escape in a catalogue, never from a disk.
        return text.encode("utf-8", "surrogatepass")
