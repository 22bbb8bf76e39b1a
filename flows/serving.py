"""One machine: deployments are registered with a server and run here, until somebody ends it."""

import asyncio
import contextlib
import signal
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
from prefect.client.schemas.objects import State
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.states import Cancelled, Crashed

from flows.automations import ensure_automations
from flows.prefect_yaml import Declared
from flows.registering import deployment_of

UNDER_WAY = ["PENDING", "RUNNING", "CANCELLING"]
LOSSLESS = "Nothing is lost: the next run goes on from here."


def serve_all(declared: list[Declared], runs: int, alone: bool) -> None:
    """Run what is due or asked for, until Ctrl-C or SIGTERM; schedules are paused then, and runs cancelled.

    Args:
        declared: the deployments; their flows are imported.
        runs: how many may go on at the same time; more of them wait.
        alone: the server is ours alone, so that runs which seem to go on now are those of a service that was killed.

    Raises:
        RequestError: one of them cannot be a deployment.
    """
    deployments = [deployment_of(each) for each in declared]
    with get_client(sync_client=True) as client:
        ensure_automations(client)
    if alone:
        _end(deployments, Crashed(message=f"The service that ran this was killed. {LOSSLESS}"))
    runner = _Service(limit=runs)
    try:
        for each in deployments:
            runner.add_deployment(each)
        asyncio.run(runner.start())
    except KeyboardInterrupt:
        pass
    finally:
        with contextlib.suppress(httpx.HTTPError):  # the server is gone; its automation finds them later
            _end(deployments, Cancelled(message=f"The service that ran this was ended. {LOSSLESS}"))


class _Service(Runner):
    """Prefect's runner, which ends by SIGTERM as it does by Ctrl-C."""

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """Prefect's own would leave in the middle of what its loop is about."""
        signal.raise_signal(signal.SIGINT)


def _end(deployments: list[RunnerDeployment], state: State) -> None:
    """Put an end to runs that have no process any more: as long as one seems to go on, the next night is cancelled."""
    names = [each.name for each in deployments]
    with get_client(sync_client=True) as client:
        under_way = client.read_flow_runs(
            deployment_filter=DeploymentFilter.model_validate({"name": {"any_": names}}),
            flow_run_filter=FlowRunFilter.model_validate({"state": {"type": {"any_": UNDER_WAY}}}),
        )
        for run in under_way:
            client.set_flow_run_state(run.id, state)
