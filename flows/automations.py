"""What a Prefect server does by itself for selfmend: a run whose process died is marked Crashed."""

from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

SILENCE = timedelta(seconds=90)  # three heartbeats; flows/environment.py sets how often a run gives one
NAME = "selfmend: a run without heartbeat has crashed"


def crash_automation(silence: timedelta = SILENCE) -> AutomationCore:
    """After a heartbeat of a flow run, its next sign of life must come in time.

    Any event of the run counts as one, not only the usual final states: a run may end in a state of its own name.
    """
    return AutomationCore(
        name=NAME,
        description=f"No sign of life for {silence.seconds} s: the process of the run is gone. What it had committed "
        "stays; the next run goes on from there.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"No heartbeat for {silence.seconds} s: the process of this run is gone. Nothing is lost; "
                "start it again, and it goes on.",
            )
        ],
    )


def ensure_automations(client: SyncPrefectClient) -> None:
    """Have the server know the automation once, as it is here; one that a user switched off stays off."""
    wanted = crash_automation()
    known = client.read_automations_by_name(NAME)
    if not known:
        client.create_automation(wanted)
        return
    first, *doubles = known
    for double in doubles:
        client.delete_automation(double.id)
    # An update makes the server forget which runs it waits for, so that one that died before would stay Running.
    if _content(first) != _content(wanted):
        client.update_automation(first.id, wanted.model_copy(update={"enabled": first.enabled}))


def _content(automation: AutomationCore) -> Any:
    """All but what the server adds, or a user may choose."""
    kept = {"description", "trigger", "actions"}
    return AutomationCore.model_validate(automation.model_dump()).model_dump(
        mode="json", include=kept, exclude={"trigger": {"id"}}
    )
