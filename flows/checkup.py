"""What `selfmend doctor` asks a Prefect server: does it answer, does it fit, and would a night begin?"""

import os
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import prefect
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.exceptions import PrefectHTTPStatusError
from prefect.types._datetime import now

from flows.automations import NAME
from flows.own_server import LOOPBACK
from tasks.doctor.finding import Finding, bad, doubtful, good

SKEW = 5.0  # seconds between two clocks


def server_findings() -> list[Finding]:
    """Findings on the server at PREFECT_API_URL; one that says so where there is none."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return [good("Prefect server", "none named: a run starts an embedded one, with SQLite, for itself")]
    try:
        with get_client(sync_client=True) as client:
            return [*_server(client, url), *_deployments(client), *_pools(client), _automation(client)]
    except PrefectHTTPStatusError as error:
        if error.response.status_code == httpx.codes.UNAUTHORIZED:
            return [bad("Prefect server", url, "It asks for a password: set PREFECT_API_AUTH_STRING=user:password.")]
        return [bad("Prefect server", url, f"It refuses: {' '.join(str(error).split())}")]
    except (httpx.HTTPError, RuntimeError, OSError):
        advice = "Start it; set PREFECT_API_URL to where it is, such as http://host:4200/api; or unset it."
        return [bad("Prefect server", f"no answer at {url}", advice)]


def _server(client: SyncPrefectClient, url: str) -> list[Finding]:
    settings = client.request("GET", "/admin/settings").json()["server"]
    theirs = client.api_version()
    findings = [good("Prefect server", f"{theirs} at {url}")]
    if theirs.split(".")[:2] != prefect.__version__.split(".")[:2]:
        advice = f"Here is {prefect.__version__}: install one version everywhere, the server's first."
        findings = [bad("Prefect server", f"{theirs} at {url}", advice)]
    findings.append(_clock(client))
    host = urlsplit(url).hostname or ""
    if host not in LOOPBACK and not settings["api"]["auth_string"]:
        advice = "Whoever reaches it can start and stop runs: set PREFECT_SERVER_API_AUTH_STRING there."
        findings.append(doubtful("password", f"none at {host}", advice))
    if settings["analytics_enabled"]:
        advice = "It sends usage data: set PREFECT_SERVER_ANALYTICS_ENABLED=false where it starts."
        findings.append(doubtful("server's telemetry", "on", advice))
    return [*findings, _database(settings["database"], host)]


def _clock(client: SyncPrefectClient) -> Finding:
    sent = time.time()
    response = client.request("GET", "/health")
    skew = parsedate_to_datetime(response.headers["date"]).timestamp() - (sent + time.time()) / 2
    if abs(skew) > SKEW:
        advice = "Have both machines keep time by NTP: schedules and deadlines are told by these clocks."
        return doubtful("server's clock", f"{skew:+.0f} s from this machine's", advice)
    return good("server's clock", "agrees with this machine's")


def _database(settings: dict[str, Any], host: str) -> Finding:
    """The server hides its URL; only a driver that was named apart says that it is PostgreSQL."""
    if str(settings["driver"]).startswith("postgresql"):
        return good("database", "PostgreSQL")
    if host in LOOPBACK:
        return good("database", "SQLite, or one whose URL the server does not tell")
    advice = "If it is SQLite, take PostgreSQL for a server that several machines use (docs/deployments.md)."
    return doubtful("database", "SQLite, or one whose URL the server does not tell", advice)


def _deployments(client: SyncPrefectClient) -> list[Finding]:
    """Whether a night would begin: a schedule that is on must have runs ahead."""
    nights = [each for each in client.read_deployments() if each.name == "nightly"]
    if not nights:
        return [doubtful("nights", "no deployment `nightly`", "`selfmend serve` or `selfmend deploy` makes it.")]
    night = nights[0]
    if night.paused or not any(each.active for each in night.schedules):
        return [doubtful("nights", "paused", "`selfmend serve` is not running, or somebody switched the schedule off.")]
    ahead = FlowRunFilter.model_validate(
        {"deployment_id": {"any_": [str(night.id)]}, "expected_start_time": {"after_": str(now())}}
    )
    runs = client.read_flow_runs(flow_run_filter=ahead)
    if not runs:
        advice = "The server's scheduler makes none: see that SQLAlchemy there is below 2.1, and its scheduler enabled."
        return [bad("nights", "scheduled, but no run lies ahead", advice)]
    first = min(run.expected_start_time for run in runs if run.expected_start_time)
    return [good("nights", f"the next begins {first:%Y-%m-%d %H:%M} UTC")]


def _pools(client: SyncPrefectClient) -> list[Finding]:
    findings = []
    for pool in client.read_work_pools():
        online = [each for each in client.read_workers_for_work_pool(pool.name) if str(each.status).endswith("ONLINE")]
        found = f"{pool.name} ({pool.type}): {len(online)} workers"
        advice = f"Nothing runs there: prefect worker start --pool {pool.name} --type {pool.type}."
        findings.append(good("work pool", found) if online else doubtful("work pool", found, advice))
    return findings


def _automation(client: SyncPrefectClient) -> Finding:
    known = [each for each in client.read_automations_by_name(NAME) if each.enabled]
    if not known:
        advice = "`selfmend serve` or `selfmend deploy` makes it; without it a run whose process died stays Running."
        return doubtful("dead runs", "no automation finds them", advice)
    return good("dead runs", "are marked Crashed after 90 s")
