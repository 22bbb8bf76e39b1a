"""Settings that Prefect reads from the environment, where the user's own win over those that selfmend makes."""

from collections.abc import Mapping

from tasks.doctor.finding import Finding, doubtful, good

SENDING = {"DO_NOT_TRACK": ("0", "false"), "PREFECT_SERVER_ANALYTICS_ENABLED": ("1", "true")}
SELDOM = 45  # seconds: after 90 without a heartbeat a run counts as dead, and one may get lost


def settings_findings(environment: Mapping[str, str]) -> list[Finding]:
    """Findings on telemetry and heartbeats, as they are once selfmend has settled the environment."""
    return [_telemetry(environment), _heartbeats(environment)]


def _telemetry(environment: Mapping[str, str]) -> Finding:
    sending = [name for name, on in SENDING.items() if environment.get(name, on[0]).lower() in on]
    if sending:
        return doubtful("telemetry", f"{' and '.join(sending)} let Prefect send usage data", "Unset it here.")
    return good("telemetry", "off; servers and workers that `prefect` itself starts need DO_NOT_TRACK=1 as well")


def _heartbeats(environment: Mapping[str, str]) -> Finding:
    told = environment.get("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "")
    if not told.isdigit() or int(told) > SELDOM:
        advice = "Set PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30: runs that are silent for 90 s are marked Crashed."
        return doubtful("heartbeats", f"every {told or '?'} s", advice)
    return good("heartbeats", f"every {told} s")
