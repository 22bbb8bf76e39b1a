"""The learned start of a plan: its files lie in the work area, and workers take it from there, by its id alone."""

from functools import lru_cache

from tasks.errors import InputError, RequestError
from tasks.registry.artifact import LearnedStart, read_start, save_start
from tasks.registry.loading import load_start
from tasks.stores.place import Place

FOLDER = "learned"  # of the work area


def pin_start(work: Place, start: LearnedStart) -> None:
    """Lay the files of a start into the work area, which every worker reaches; a registry is not asked again.

    Raises:
        RequestError: the work area has other files under its id.
    """
    save_start(start, work / FOLDER)


def resumed_start(work: Place, id_: str) -> LearnedStart:
    """The start that an interrupted run goes on with, whatever its name stands for by now.

    Raises:
        RequestError: it is neither in the work area nor in the registry.
    """
    try:
        return pinned_start(work, id_)
    except InputError as gone:
        try:
            return load_start(id_)
        except RequestError:
            raise RequestError(
                f"An interrupted run began with the start {id_}, of which neither '{work.uri}/{FOLDER}' nor the "
                "registry has the files any more; put them back, or --overwrite to give its work up."
            ) from gone


@lru_cache(maxsize=4)
def pinned_start(work: Place, id_: str) -> LearnedStart:
    """The start that a plan names, read once in a process.

    Raises:
        InputError: its files are gone from the work area, were changed, or are those of another start.
    """
    try:
        start = read_start(work / FOLDER, id_)
    except RequestError as error:
        raise InputError(f"The plan names the start {id_}, which cannot be taken from its work area: {error}") from None
    if start.card.id != id_:
        raise InputError(
            f"The plan names the start {id_}, and under that name '{work.uri}/{FOLDER}' holds {start.card.id}; put the "
            "files of the one that is named back, or restore with --overwrite."
        )
    return start
