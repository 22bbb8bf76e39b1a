"""Folders as what they hold: for comparing results to the last byte."""

import hashlib
from pathlib import Path


def digests(folder: Path, pattern: str = "**/*") -> dict[str, str]:
    """SHA-256 of every file below a folder, by its relative name; the work area and locks are not results."""
    files = (file for file in sorted(folder.glob(pattern)) if file.is_file())
    named = ((str(file.relative_to(folder)), file) for file in files)
    return {
        name: hashlib.sha256(file.read_bytes()).hexdigest()
        for name, file in named
        if ".work/" not in name and "/.lock" not in name
    }


def image_digests(folder: Path) -> dict[str, str]:
    """Only the published images: tables and reports tell times."""
    return {name: value for name, value in digests(folder).items() if ".zarr/" in name}
