"""How a campaign runs on a Slurm cluster: the section `slurm` of an experiment file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from energyctl.config.jsonfile.validation import Name, Strict, Text, shown, text

OWN = {
    "array": "energyctl makes the array",
    "cluster": "a campaign is of the cluster that it is submitted on",
    "clusters": "a campaign is of the cluster that it is submitted on",
    "dependency": "energyctl lets its arrays wait for each other",
    "chdir": "a task works in the workspace",
    "error": "energyctl writes it beside the journal",
    "exclusive": "it always is: whatever else computes on a node is in its counters",
    "no-requeue": "a task that a dead node took with it is to be done again",
    "nodes": "a run is measured on one node",
    "open-mode": "what a task printed before it was requeued is kept",
    "output": "energyctl writes it beside the journal",
    "oversubscribe": "whatever else computes on a node is in its counters",
    "overcommit": "whatever else computes on a node is in its counters",
    "parsable": "energyctl reads what sbatch prints",
    "requeue": "it always is",
    "signal": 'write "warning_seconds"',
    "test-only": "use --dry-run",
    "wait": "use `energyctl collect`",
    "wrap": "energyctl writes the script",
}
"""Options of sbatch that are not the user's, and why."""

NAMED = (
    "partition", "account", "qos", "time", "gres", "constraint", "nodelist", "exclude",
    "reservation", "mem",
)  # fmt: skip
_OF_ENERGYCTL = ("modules", "nodes_at_once", "runs_per_task", "shared_node", "warning_seconds")


def _option(value: Any) -> int | str:
    if isinstance(value, str):
        line = text(value)
        if not line.strip() or not line.isprintable():
            raise ValueError("must be one line of printable text, and not empty")
        return line
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"must be a string or a whole number, not {shown(value)}")


Option = Annotated[
    int | str, PlainValidator(_option), WithJsonSchema({"type": ["integer", "string"]})
]


def _options(given: dict[str, int | str]) -> dict[str, int | str]:
    """The same by the names that sbatch has. Raises ValueError for what cannot be given there."""
    options = {}
    for key, value in given.items():
        name = key.removeprefix("--").replace("_", "-")
        field = name.replace("-", "_")
        fixed = next((one for one in sorted(OWN) if one.startswith(name)), None)
        if fixed is not None and name not in NAMED:  # sbatch takes abbreviations, too
            raise ValueError(f"the option {fixed} cannot be given: {OWN[fixed]}")
        if name in NAMED or field in _OF_ENERGYCTL:
            raise ValueError(f'write "{field}" beside "options", not in it')
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise ValueError(f"{key!r} is no long option of sbatch")
        options[name] = value
    return options


def seconds_of(time: int | str) -> float | None:
    """A time limit in seconds, by the forms that sbatch(1) takes: minutes, minutes:seconds,
    hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds.

    None where it is none of these, or no limit.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", str(time).strip())
    if match is None:
        return None
    days, *rest = match.groups()
    parts = [int(part) for part in rest if part is not None]
    units = (60, 1) if days is None and len(parts) < 3 else (3600, 60, 1)
    seconds = sum(part * unit for part, unit in zip(parts, units, strict=False))
    return 86400.0 * int(days or 0) + seconds


class Slurm(Strict):
    """How `submit` runs the campaign on a cluster; `--sbatch KEY=VALUE` wins."""

    partition: Option | None = None
    """Where the tasks run."""
    account: Option | None = None
    """Who is charged."""
    qos: Option | None = None
    """Quality of service."""
    time: Option | None = None
    """Time limit of a task: all of its runs, with their phases."""
    gres: Option | None = None
    """What to ask for, as "gpu:a100:2"."""
    constraint: Option | None = None
    """Features that a node must have."""
    nodelist: Option | None = None
    """Run on these nodes alone."""
    exclude: Option | None = None
    """Not these nodes."""
    reservation: Option | None = None
    """Name of a reservation."""
    mem: Option | None = None
    """Memory; without it, all of the node's."""
    options: Annotated[dict[Text, Option], AfterValidator(_options)] = Field(default_factory=dict)
    """Any other option of sbatch, by its long name."""
    modules: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Environment modules to load before a task."""
    nodes_at_once: int | None = Field(default=None, ge=1)
    """So many tasks run at the same time at most."""
    runs_per_task: int = Field(default=1, ge=1, le=100_000)
    """So many runs one after another in each task."""
    shared_node: Literal["fail", "warn"] = "fail"
    """What a task does on a node that is not its own alone."""
    warning_seconds: int = Field(default=60, ge=10, le=65_535)
    """A task ends itself so long before its limit."""
