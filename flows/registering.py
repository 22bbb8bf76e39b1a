"""Deployments as declared -> deployments as Prefect knows them; and a server's work pools."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, WorkPool
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.exceptions import MissingFlowError, ObjectNotFound, ScriptError
from prefect.flows import load_flow_from_entrypoint
from prefect.schedules import Cron
from pydantic import ValidationError

from flows.prefect_yaml import Declared, PrefectFile
from tasks.errors import RequestError, nearest

if TYPE_CHECKING:
    from prefect.flows import Flow

TEMPLATES = Path(__file__).parents[1] / "deployments" / "pools"


def deployment_of(declared: Declared, pool: str | None = None, **where: Any) -> RunnerDeployment:
    """A deployment that can be served, or registered on a work pool.

    Args:
        declared: as prefect.yaml has it.
        pool: name of a work pool; None: it is served by this process.
        where: `work_queue_name` and `job_variables` for the pool.

    Raises:
        RequestError: there is no such flow, or Prefect does not take the schedule.
    """
    flow = _flow(declared)
    try:
        return RunnerDeployment.from_flow(
            flow,
            name=declared.name,
            schedules=[Cron(each.cron, timezone=each.timezone) for each in declared.schedules],
            concurrency_limit=_limit(declared),
            parameters=declared.parameters,
            description=declared.description,
            tags=declared.tags,
            paused=False,  # a runner that was stopped has paused it
            entrypoint_type=EntrypointType.MODULE_PATH,
            work_pool_name=pool,
            **where,
        )
    except (ValidationError, ValueError) as error:
        raise RequestError(f"Deployment '{declared.name}': {' '.join(str(error).split())}") from None


def _limit(declared: Declared) -> ConcurrencyLimitConfig | None:
    limit = declared.concurrency_limit
    if limit is None:
        return None
    return ConcurrencyLimitConfig(
        limit=limit.limit, collision_strategy=ConcurrencyLimitStrategy(limit.collision_strategy)
    )


def _flow(declared: Declared) -> "Flow[..., Any]":
    try:
        return load_flow_from_entrypoint(declared.entrypoint, use_placeholder_flow=False)
    except (MissingFlowError, ImportError, ScriptError) as error:
        raise RequestError(
            f"Deployment '{declared.name}': there is no flow '{declared.entrypoint}' ({error}); give module.function "
            "of an installed module."
        ) from None


def pool_of(client: SyncPrefectClient, name: str, kind: str | None = None) -> WorkPool:
    """A server's work pool.

    Args:
        client: of the server.
        name: of the pool.
        kind: process, docker or kubernetes: make the pool from its template if it is not there.

    Raises:
        RequestError: there is none of that name and none shall be made, or it is of another kind.
    """
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        if kind is None:
            known = [each.name for each in client.read_work_pools()]
            raise RequestError(
                f"The server has no work pool '{name}'; it has {', '.join(known) or 'none'}.{nearest(name, known)} "
                "Add --create process, docker or kubernetes to make one."
            ) from None
        return client.create_work_pool(WorkPoolCreate(name=name, type=kind, base_job_template=_template(kind)))
    if kind is not None and pool.type != kind:
        raise RequestError(f"The work pool '{name}' is there already, and of kind {pool.type}; choose another name.")
    return pool


def _template(kind: str) -> dict[str, Any]:
    file = TEMPLATES / f"{kind}.yaml"
    if not file.is_file():
        known = sorted(each.stem for each in TEMPLATES.glob("*.yaml"))
        raise RequestError(
            f"--create {kind}: there is no such template.{nearest(kind, known)} Known: {', '.join(known)}."
        )
    template: dict[str, Any] = yaml.safe_load(file.read_text())
    return template


def job_variables_of(file: PrefectFile, pool: WorkPool) -> dict[str, Any]:
    """What the file says that runs on such a pool need.

    Raises:
        RequestError: the file has no block for this kind of pool.
    """
    if pool.type not in file.pools:
        raise RequestError(
            f"The work pool '{pool.name}' is of kind {pool.type}, and prefect.yaml has blocks for "
            f"{', '.join(file.pools)} only; add one under `pools`."
        )
    return file.pools[pool.type].job_variables
