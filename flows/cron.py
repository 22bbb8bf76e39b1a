"""A cron expression and a time zone -> a schedule that will fire."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tzlocal
from cronsim import CronSim, CronSimError

from flows.prefect_yaml import Schedule
from tasks.errors import RequestError


def checked_schedule(cron: str, timezone: str | None = None) -> Schedule:
    """A schedule that fires some day.

    Args:
        cron: five fields: minute, hour, day of the month, month, day of the week.
        timezone: name such as Europe/Berlin; without it that of this machine.

    Raises:
        RequestError: the expression is none or never fires, or there is no such time zone.
    """
    zone = timezone or tzlocal.get_localzone_name() or "UTC"
    try:
        where = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RequestError(f"--timezone {zone}: there is no such time zone; give one such as Europe/Berlin.") from None
    if len(cron.split()) != 5:
        raise RequestError(_told(cron, f"five fields are needed, and it has {len(cron.split())}"))
    try:
        next(CronSim(cron, datetime.now(where)))
    except CronSimError as error:
        raise RequestError(_told(cron, str(error).lower())) from None
    except StopIteration:
        raise RequestError(_told(cron, "no such day comes in the next fifty years")) from None
    return Schedule(cron=cron, timezone=zone)


def next_time(schedule: Schedule) -> datetime:
    """When a checked schedule fires next, in its time zone."""
    return next(CronSim(schedule.cron, datetime.now(ZoneInfo(schedule.timezone or "UTC"))))


def _told(cron: str, why: str) -> str:
    return (
        f"--cron '{cron}' is no schedule: {why}. Give minute, hour, day of the month, month and day of the week, "
        "such as '0 1 * * *' for one o'clock every night."
    )
