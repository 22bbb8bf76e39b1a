"""A server with work pools: deployments are registered there, and workers of the pool run them."""

from dataclasses import dataclass

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

from flows.automations import ensure_automations
from flows.prefect_yaml import Declared, PrefectFile
from flows.registering import deployment_of, job_variables_of, pool_of
from tasks.errors import RequestError


@dataclass(frozen=True)
class Registered:
    """What a server now knows: names of deployments as `flow/deployment`; how many workers serve the pool."""

    names: list[str]
    kind: str
    workers: int


def deploy_all(
    file: PrefectFile, declared: list[Declared], pool: str, queue: str | None = None, create: str | None = None
) -> Registered:
    """Register deployments on a work pool, and the automation that finds dead runs. Doing it again changes nothing.

    Args:
        file: where the pools' blocks stand. declared: the deployments.
        pool: name of the work pool. queue: of its queues; the default one without it.
        create: process, docker or kubernetes: make the pool where it is not there.

    Raises:
        RequestError: no such pool, one of a kind that the file does not know, or a deployment that cannot be.
    """
    try:
        with get_client(sync_client=True) as client:
            found = pool_of(client, pool, create)
            variables = job_variables_of(file, found)
            deployments = [
                deployment_of(each, pool, work_queue_name=queue, job_variables=variables) for each in declared
            ]
            for each in deployments:
                each.apply()
            ensure_automations(client)
            workers = [each for each in client.read_workers_for_work_pool(pool) if str(each.status) == "ONLINE"]
    except PrefectHTTPStatusError as error:
        raise RequestError(f"The Prefect server refuses: {_reason(error)}") from None
    return Registered([each.full_name for each in deployments], found.type, len(workers))


def _reason(error: PrefectHTTPStatusError) -> str:
    if error.response.status_code == httpx.codes.UNAUTHORIZED:
        return "it asks for a password; set PREFECT_API_AUTH_STRING=user:password as the server has it."
    return " ".join(str(error).split())
