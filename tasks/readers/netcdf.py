"""NetCDF, through xarray. 'scene.nc#red' names a variable where a file holds several images."""

import warnings
from typing import TYPE_CHECKING, Any

from tasks.catalog.facts import Facts
from tasks.catalog.locations import cause, needed, open_bytes, plain, scheme, split_variable, suffix
from tasks.errors import InputError
from tasks.readers._canonical import canonical
from tasks.readers._dataset import stored_variable

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = (".nc", ".nc4", ".cdf")


def claims(uri: str) -> bool:
    """Every file with the extension of NetCDF."""
    return suffix(uri) in SUFFIXES


def open(uri: str, facts: Facts) -> "xr.DataArray":
    """A variable of a NetCDF file. Raises InputError where it is broken, none, or a package is missing."""
    file, wanted = split_variable(uri)
    return canonical(stored_variable(uri, _dataset(file), wanted), facts)


def _dataset(file: str) -> "xr.Dataset":
    import xarray as xr

    source: Any = plain(file)
    if scheme(file) == "":
        needed("netCDF4", "netcdf", file)
        engine = "netcdf4"
    else:
        needed("h5netcdf", "netcdf", file)
        needed("h5py", "netcdf", file)
        source, engine = open_bytes(file), "h5netcdf"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Raw values: scaling is kept in the attributes, and masks are the pipeline's business.
            return xr.open_dataset(
                source, engine=engine, cache=False, mask_and_scale=False, decode_times=False, decode_coords="all"
            )
    except Exception as error:
        raise InputError(f"{file} cannot be read as NetCDF: {cause(error)}.") from error
