"""What ships for Prefect: deployments, their forms, blocks for work pools, templates, container files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.prefect_yaml import Declared, Schedule, read_prefect_yaml
from flows.registering import TEMPLATES, deployment_of
from tasks.errors import RequestError

TOP = Path(__file__).parents[2]
DECLARED = {each.name: each for each in read_prefect_yaml().deployments}


def properties(node: Any) -> list[tuple[str, dict[str, Any]]]:
    """All properties of a schema and of its definitions."""
    found = []
    for owner in [node, *node.get("definitions", {}).values()]:
        found += [(f"{owner.get('title')}.{name}", each) for name, each in owner.get("properties", {}).items()]
    return found


def test_all_flows_are_deployed() -> None:
    assert set(DECLARED) == {"nightly", "restore", "compare", "learn-start", "report"}
    assert DECLARED["nightly"].schedules
    assert DECLARED["nightly"].concurrency_limit is not None
    assert DECLARED["nightly"].concurrency_limit.collision_strategy == "CANCEL_NEW"


@pytest.mark.parametrize("name", DECLARED)
def test_every_parameter_is_explained_in_the_form(name: str) -> None:
    deployment = deployment_of(DECLARED[name])
    schema = json.loads(json.dumps(deployment._parameter_openapi_schema.model_dump(exclude_unset=True)))
    described = {"description", "const", "$ref"}  # of a reference the form shows what its definition says
    silent = [key for key, each in properties(schema) if not described & set(each)]
    assert silent == []
    assert [key for key, each in schema.get("definitions", {}).items() if not each.get("description")] == []
    assert deployment.entrypoint == DECLARED[name].entrypoint
    assert not deployment.paused
    assert set(deployment.parameters) <= set(schema["properties"])


@pytest.mark.parametrize("name", DECLARED)
def test_parameters_that_ship_are_allowed(name: str) -> None:
    from prefect.utilities.schema_tools import validate

    deployment = deployment_of(DECLARED[name])
    schema = deployment._parameter_openapi_schema.model_dump(exclude_unset=True)
    validate(deployment.parameters, schema, raise_on_error=True, ignore_required=True)


def test_choices_replace_what_the_file_lists() -> None:
    declared = Declared(name="a", entrypoint="b.c", parameters={"out": "x", "workers": None}, schedules=[])
    chosen = declared.having({"out": "y", "recipe": {}, "workers": None}, Schedule(cron="0 1 * * *"))
    assert chosen.parameters == {"out": "y", "workers": None}
    assert chosen.schedules == []  # what has no schedule gets none


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("deployments: [", "is not YAML"),
        ("deployments: []", "'pools' is missing"),
        ("pools: {}\ndeployments: [{name: a, entrypoint: a.b, paramters: {}}]", "Did you mean 'parameters'?"),
        ("pools: {}\ndeployments: [{name: a, entrypoint: flows/restore.py:restore}]", "entrypoint"),
        ("pools: {}\ndeployments: [{name: a, entrypoint: a.b, concurrency_limit: {limit: 0}}]", "greater than"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "prefect.yaml"
    file.write_text(text)
    with pytest.raises(RequestError, match=re.escape(sentence)):
        read_prefect_yaml(file)


def test_a_flow_that_is_not_there_is_told() -> None:
    with pytest.raises(RequestError, match=r"there is no flow 'flows\.restore\.restores'"):
        deployment_of(Declared(name="a", entrypoint="flows.restore.restores"))


@pytest.mark.parametrize("kind", [file.stem for file in sorted(TEMPLATES.glob("*.yaml"))])
def test_templates_of_pools_know_all_that_they_use(kind: str) -> None:
    text = (TEMPLATES / f"{kind}.yaml").read_text()
    known = yaml.safe_load(text)["variables"]["properties"]
    used = set(re.findall(r"\{\{ (\w+) \}\}", text))
    assert used == set(known)
    assert all(each["description"] for each in known.values())
    block = read_prefect_yaml().pools[kind]
    assert set(block.job_variables) <= set(known)
    assert block.job_variables["env"]["DO_NOT_TRACK"] == "1"


def test_compose_listens_on_loopback_and_holds_no_secret() -> None:
    services = yaml.safe_load((TOP / "deployments" / "compose.yaml").read_text())["services"]
    ports = [port for each in services.values() for port in each.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    for name, service in services.items():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|AUTH|KEY", key):
                assert re.fullmatch(r"\$\{\w+:[-?][^}]*\}", value), f"{name}: {key}"
    example = (TOP / "deployments" / ".env.example").read_text()
    assert re.findall(r"^(?:.*PASSWORD|PREFECT_AUTH|AWS_.*)=(.+)$", example, re.MULTILINE) == []


def test_what_compose_asks_for_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (TOP / "deployments" / "compose.yaml").read_text()))
    told = set(re.findall(r"^(\w+)=", (TOP / "deployments" / ".env.example").read_text(), re.MULTILINE))
    assert asked == told
