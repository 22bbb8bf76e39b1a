"""Settings that Prefect reads from the environment, to be made before it is imported. The user's own settings win."""

import os

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
    """Make the settings where the user made none."""
    for name, value in (SETTINGS | (QUIET if quiet else {})).items():
        os.environ.setdefault(name, value)
