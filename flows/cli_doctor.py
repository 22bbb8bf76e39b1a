"""The command `selfmend doctor`."""

import importlib
import os
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from flows.environment import settle
from flows.options import OutOption
from tasks.doctor.finding import Finding, bad

doctor_app = typer.Typer()
COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@doctor_app.command()
def doctor(out: OutOption = "restored") -> None:
    """Check versions, devices, storage, clocks and Prefect server; ends with 1 where something is in the way."""
    settle(quiet=True)
    findings = [each for check, module, given in _checks(out) for each in _asked(check, module, given)]
    broken = {each.what for each in findings if each.level == "fail"}
    if not broken & {"prefect", "fastapi", "sqlalchemy", "pydantic"}:  # with these Prefect cannot even be asked
        findings += _asked("server_findings", "flows.checkup", ())
    _show(findings)
    if any(each.level == "fail" for each in findings):
        raise typer.Exit(1)


def _checks(out: str) -> list[tuple[str, str, tuple[Any, ...]]]:
    return [
        ("version_findings", "tasks.doctor.versions", ()),
        ("device_findings", "tasks.doctor.devices", ()),
        ("storage_findings", "tasks.doctor.storage", (out,)),
        ("settings_findings", "tasks.doctor.settings", (os.environ,)),
    ]


def _asked(check: str, module: str, given: tuple[Any, ...]) -> list[Finding]:
    """What one family finds. A library that it needs itself may be missing: then the others are asked all the same."""
    try:
        found: list[Finding] = getattr(importlib.import_module(module), check)(*given)
    except ImportError as error:
        what = check.removesuffix("_findings")
        return [bad(what, "cannot be checked", f"{error}; install what is missing, and ask again.")]
    return found


def _show(findings: list[Finding]) -> None:
    table = Table("", "what", Column("found, and what to do", overflow="fold"))
    for each in findings:
        colour = COLOURS[each.level]
        told = f"{escape(each.found)}\n[{colour}]{escape(each.advice)}[/]" if each.advice else escape(each.found)
        table.add_row(f"[{colour}]{each.level}[/]", escape(each.what), told)
    Console().print(table)
