"""deployments/prefect.yaml -> the deployments and the blocks for work pools in it, checked. Imports no Prefect."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.errors import RequestError
from tasks.validation import sentence

SHIPPED = Path(__file__).parents[1] / "deployments" / "prefect.yaml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pool(_Part):
    """What a work pool of one kind needs to run selfmend."""

    name: str
    job_variables: dict[str, Any] = Field(default_factory=dict)


class Schedule(_Part):
    """When a deployment runs by itself."""

    cron: str
    timezone: str | None = None


class OneAtATime(_Part):
    """How many runs of a deployment may go on at the same time, and what becomes of one more."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"] = "ENQUEUE"


class Declared(_Part):
    """A deployment as the file declares it."""

    name: str
    entrypoint: str = Field(pattern=r"^[\w.]+\.\w+$")  # of a module: a path would put the file's folder on sys.path
    description: str | None = None
    tags: list[str] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: list[Schedule] = Field(default_factory=list)
    concurrency_limit: OneAtATime | None = None
    work_pool: Pool | None = None

    def having(self, choices: dict[str, Any], schedule: Schedule | None = None) -> "Declared":
        """The same with other parameters and perhaps another schedule.

        Args:
            choices: by name of the parameter; only those that the file lists are replaced, and None replaces nothing.
            schedule: in place of those of the file; for a deployment that has one.
        """
        chosen = {name: value for name, value in choices.items() if value is not None and name in self.parameters}
        return self.model_copy(
            update={
                "parameters": self.parameters | chosen,
                "schedules": [schedule] if schedule and self.schedules else self.schedules,
            }
        )


class PrefectFile(BaseModel):
    """All of the file that is ours to read; other top-level keys hold anchors."""

    model_config = ConfigDict(frozen=True)
    pools: dict[str, Pool]
    deployments: list[Declared]


def read_prefect_yaml(file: Path | str | None = None) -> PrefectFile:
    """The deployments of a file; of the one that ships without it.

    Raises:
        RequestError: there is no such file, it is not YAML, or a key or value in it is not allowed.
    """
    path = Path(file or SHIPPED)
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise RequestError(f"'{path}' cannot be read: {error.strerror}; give a copy of prefect.yaml.") from None
    except yaml.YAMLError as error:
        raise RequestError(f"'{path}' is not YAML: {' '.join(str(error).split())}.") from None
    try:
        return PrefectFile.model_validate(content)
    except ValidationError as error:
        raise RequestError(sentence(error, f"'{path}'", [*Declared.model_fields, *Pool.model_fields])) from None
