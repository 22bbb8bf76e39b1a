"""The command `selfmend doctor`."""

import os

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from flows.environment import settle
from flows.options import OutOption
from tasks.doctor.finding import Finding

doctor_app = typer.Typer()
COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@doctor_app.command()
def doctor(out: OutOption = "restored") -> None:
    """Check versions, devices, storage, clocks and Prefect server; ends with 1 where something is in the way."""
    settle(quiet=True)
    from tasks.doctor.devices import device_findings
    from tasks.doctor.settings import settings_findings
    from tasks.doctor.storage import storage_findings
    from tasks.doctor.versions import version_findings

    findings = [*version_findings(), *device_findings(), *storage_findings(out), *settings_findings(os.environ)]
    broken = {each.what for each in findings if each.level == "fail"}
    if not broken & {"prefect", "fastapi", "sqlalchemy", "pydantic"}:  # with these Prefect cannot even be asked
        from flows.checkup import server_findings

        findings += server_findings()
    _show(findings)
    if broken or any(each.level == "fail" for each in findings):
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    table = Table("", "what", Column("found, and what to do", overflow="fold"))
    for each in findings:
        colour = COLOURS[each.level]
        told = f"{escape(each.found)}\n[{colour}]{escape(each.advice)}[/]" if each.advice else escape(each.found)
        table.add_row(f"[{colour}]{each.level}[/]", escape(each.what), told)
    Console().print(table)
