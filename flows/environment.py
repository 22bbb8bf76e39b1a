"""Settings that Prefect reads from the environment, to be made before it is imported. The user's own settings win."""

import os
from pathlib import Path

from tasks.errors import RequestError

SETTINGS = {
    "DO_NOT_TRACK": "1",  # usage events of the client
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # heartbeat of the server
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # a first start migrates its database for up to 40 s
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # so that a server can tell a dead run from a long one
}
QUIET = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}  # the UI keeps the logs; a terminal has a progress bar


def where_prefect_is() -> str:
    """What a user should know before Prefect is waited for."""
    if url := os.environ.get("PREFECT_API_URL"):
        return f"Reporting to the Prefect server at {url}."
    return "Starting Prefect's own embedded server (7 to 40 s; PREFECT_API_URL names another) ..."


def settle(quiet: bool = False) -> None:
    """Make the settings where the user made none, and the folder of Prefect's database if it is not there.

    Prefect makes no folder that it is told: its server waits for three minutes and says that it timed out.

    Raises:
        RequestError: PREFECT_HOME names a folder that cannot be made.
    """
    for name, value in (SETTINGS | (QUIET if quiet else {})).items():
        os.environ.setdefault(name, value)
    if home := os.environ.get("PREFECT_HOME"):
        try:
            Path(home).expanduser().mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(
                f"PREFECT_HOME is {home}, where Prefect keeps its database, and that folder cannot be made "
                f"({error.strerror}); name one that can be written to."
            ) from None
