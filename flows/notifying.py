"""Telling people what a night came to: by Prefect's notification blocks, and as artifacts."""

from collections.abc import Sequence

import prefect.blocks.notifications  # noqa: F401 - makes Slack, webhooks, e-mail and so on known to Block.load
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.logging import get_run_logger

from tasks.errors import RequestError, nearest
from tasks.night import COLUMNS, Night

KEY = "night"


def notifiers(names: Sequence[str]) -> dict[str, NotificationBlock]:
    """The blocks of these names, such as slack-webhook/facility.

    Raises:
        RequestError: there is no such block, it cannot notify, or what it holds is not complete.
    """
    return {name: _notifier(name) for name in names}


def notify_all(blocks: dict[str, NotificationBlock], night: Night) -> None:
    """Send the summary to each block. One that fails is told in the log alone, for the work is done."""
    for name, block in blocks.items():
        try:
            block.notify(night.text(), night.title())  # type: ignore[unused-coroutine] # here it is none
        except Exception as error:  # noqa: BLE001 - whatever a webhook does, the night is as it is
            # By its kind alone: what such errors say may hold the secret address.
            get_run_logger().warning("The summary did not reach '%s': %s.", name, type(error).__name__)


def tell_night(night: Night) -> None:
    """The night's summary as artifacts: a text and a table."""
    rows = [dict(zip(COLUMNS, row.cells(), strict=True)) for row in night.rows]
    create_table_artifact(key=f"{KEY}-collections", table=rows, description="Collections of the night")
    create_markdown_artifact(key=KEY, markdown=night.markdown(), description=night.title())


def _notifier(name: str) -> NotificationBlock:
    try:
        block = Block.load(name)
    except ValueError:
        known = _known()
        raise RequestError(
            f"There is no notification block '{name}'; the server has {', '.join(known) or 'none'}."
            f"{nearest(name, known)} Make one in Prefect's pages under Blocks, and name it as kind/name, such as "
            "slack-webhook/facility."
        ) from None
    if not isinstance(block, NotificationBlock):
        raise RequestError(f"The block '{name}' cannot notify; give one such as slack-webhook/facility.")
    return block


def _known() -> list[str]:
    with get_client(sync_client=True) as client:
        documents = client.read_block_documents(include_secrets=False)
    can_notify = [each for each in documents if each.block_schema and "notify" in each.block_schema.capabilities]
    return sorted(f"{each.block_type.slug}/{each.name}" for each in can_notify if each.block_type)
