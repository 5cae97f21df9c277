"""The command ``bundle``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from energyctl.cli import options
from energyctl.cli.out_files import refuse_existing
from energyctl.cli.output.lines import say, show
from energyctl.cli.progress import ProgressBar
from energyctl.errors import SettingsError
from energyctl.system.workspace import Workspace
from energyctl.text import count, safe_name


def _license(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", value):
        raise click.BadParameter(f"{value!r} is no SPDX identifier, as CC-BY-4.0")
    return value


@click.command()
@options.results_or_campaigns
@click.option("--out", metavar="FILE.zip", help="Write this file (default: CAMPAIGN.zip here).")
@click.option("--title", metavar="TEXT", help="What it is called (default: by the campaign).")
@click.option(
    "--author",
    "authors",
    metavar="NAME",
    multiple=True,
    help="Who measured, as 'Family, Given'. Repeatable.",
)
@click.option(
    "--license",
    metavar="SPDX-ID",
    callback=_license,
    help="Under which licence, as CC-BY-4.0.",
)
@click.option(
    "--boamps",
    metavar="FILE",
    help="JSON with what BoAmps asks and results do not tell.",
)
@click.option(
    "--with",
    "included",
    type=click.Choice(("background-logs", "outputs")),
    multiple=True,
    help="Put these in, too; they may be large, or private. Repeatable.",
)
@options.force
@click.option("--check", metavar="FILE", help="Check an archive, whoever made it.")
@click.option("--reproduce", metavar="FILE", help="Run an archive's plan here, and compare.")
@options.results
@click.option("--yes", is_flag=True, help="With --reproduce: run its commands without asking.")
@options.no_progress
@click.pass_obj
def bundle(workspace: Workspace, /, results: tuple[str, ...], **given: Any) -> int:
    """Make a citable archive of a campaign.

    It holds results, time series, logs, settings, registry and journal, with checksums, RO-Crate,
    BoAmps, SPDX and a text of methods. RESULTS are results, folders of them or a campaign (default:
    the results folder). --check and --reproduce take such an archive. docs/bundle.md says more.
    """
    making = ("out", "title", "authors", "license", "boamps", "included", "force")
    if given["check"] is not None or given["reproduce"] is not None:
        _refuse_mixed(results, given, making)
    elif given["yes"] or given["no_progress"]:
        raise click.UsageError("--yes and --no-progress go with --reproduce")
    if given["check"] is not None:
        return _check(workspace.given(given["check"]))
    if given["reproduce"] is not None:
        from energyctl.cli.reproduction import reproduce

        return reproduce(
            workspace, workspace.given(given["reproduce"]), given["folder"], given["yes"],
            given["no_progress"],
        )  # fmt: skip
    return _make(workspace, results, given)


def _refuse_mixed(results: tuple[str, ...], given: dict[str, Any], making: tuple[str, ...]) -> None:
    """Raises UsageError."""
    name = "--check" if given["check"] is not None else "--reproduce"
    if given["check"] is not None and given["reproduce"] is not None:
        raise click.UsageError("--check and --reproduce: choose one")
    if results or any(given[option] for option in making):
        raise click.UsageError(f"{name} FILE goes without RESULTS and what an archive is made with")
    if name == "--check" and (given["folder"] or given["yes"] or given["no_progress"]):
        raise click.UsageError("--results, --yes and --no-progress go with --reproduce")


def _make(workspace: Workspace, results: tuple[str, ...], given: dict[str, Any]) -> int:
    from energyctl import __version__
    from energyctl.cli.result_arguments import load_campaigns
    from energyctl.integrations.bundle import boamps, crate
    from energyctl.integrations.bundle.contents import campaign_files
    from energyctl.integrations.bundle.description import Description
    from energyctl.integrations.bundle.write import notes, write

    crate.library()
    told = boamps.told_by_user(workspace.given(given["boamps"])) if given["boamps"] else {}
    places = [*results, *([given["folder"]] if given["folder"] else [])]
    runs = load_campaigns(workspace, places or [str(workspace.results)])
    if not runs:
        raise SettingsError("no result could be read: nothing to bundle")
    files = campaign_files(runs, given["included"])
    name = files.head["name"]
    place = Path(given["out"] or f"{safe_name(name)}.zip")
    place = workspace.given(given["out"]) if given["out"] else Path.cwd() / place
    refuse_existing(place, given["force"])
    ends = [run.ended for run in runs if run.ended is not None]
    description = Description(
        journal=files.journal,
        campaign=name,
        title=given["title"] or f"Energy of the campaign {name}",
        authors=given["authors"],
        license=given["license"],
        energyctl=__version__,
        created=max(ends, default=files.head["time"]),
        boamps=told,
        left_out=files.left_out,
    )
    with ProgressBar("writing files") as steps:
        sizes = write(place, files, description, workspace.root, steps)
    for line in notes(files, description):
        say(f"note: {line}")
    size = place.stat().st_size / 1e6
    what = f"{count(len(runs), 'run')}, {count(len(sizes) + 1, 'file')}, {size:.1f} MB"
    show(f"wrote {place}: {what}")
    return int(bool(runs.problems))


def _check(place: Path) -> int:
    from energyctl.integrations.bundle import crate
    from energyctl.integrations.bundle.check import check

    crate.library()
    with ProgressBar("checking files") as steps:
        checked = check(place, steps)
    for line in checked.notes:
        show(f"note: {line}")
    for line in checked.faults:
        show(f"fault: {line}")
    if checked.faults:
        show(f"{place}: {count(len(checked.faults), 'fault')}")
        return 1
    show(f"{place}: {count(checked.files, 'file')}, {count(len(checked.runs), 'run')}: no fault")
    return 0
