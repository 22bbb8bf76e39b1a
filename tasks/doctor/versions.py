"""Python and the libraries: is what is installed what selfmend asks for?"""

import platform
from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import Version

from tasks.doctor.finding import Finding, bad, doubtful, good

OURS = "selfmend"
TOLD = ("prefect", "torch", "zarr", "dask")  # the others are named only where something is wrong with them
WHY = {
    "fastapi": " With a newer one Prefect's server does not start.",
    "sqlalchemy": " With a newer one Prefect's scheduler creates no run, and says nothing: no night would ever begin.",
    "pydantic": " With a newer one OME-Zarr metadata cannot be checked.",
}


def version_findings(distribution: str = OURS) -> list[Finding]:
    """Findings on Python and on every library that the distribution requires."""
    try:
        ours = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return [doubtful(distribution, "not installed", "Workers import it by name: pip install it where flows run.")]
    required = [Requirement(text) for text in ours.requires or []]
    always = [each for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = [finding for each in always if (finding := _wrong(each)) is not None]
    told = ", ".join(f"{name} {metadata.version(name)}" for name in TOLD if _installed(name))
    return [
        _python(ours.metadata["Requires-Python"] or ""),
        *wrong,
        good("libraries", f"{len(always) - len(wrong)} of {len(always)} as required: {told}"),
    ]


def _python(wanted: str) -> Finding:
    version = platform.python_version()
    if Requirement(f"python{wanted}").specifier.contains(version, prereleases=True):
        return good("Python", version)
    return bad("Python", version, f"selfmend needs {wanted}; make a new environment with it.")


def _wrong(wanted: Requirement) -> Finding | None:
    found = _installed(wanted.name)
    if found is None:
        return bad(wanted.name, "not installed", f"pip install '{wanted.name}{wanted.specifier}'.")
    if wanted.specifier.contains(found, prereleases=True):
        return None
    return bad(wanted.name, str(found), f"pip install '{wanted.name}{wanted.specifier}'.{WHY.get(wanted.name, '')}")


def _installed(name: str) -> Version | None:
    try:
        return Version(metadata.version(name))
    except metadata.PackageNotFoundError:
        return None
