"""What the journal of a campaign holds: one object a line."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from typing_extensions import NotRequired, TypedDict

from energyctl.results import shape
from energyctl.results.schema import RunJson
from energyctl.text import is_file_name

SCHEMA: Final = 1
"""Version of the format."""


class JournalHead(TypedDict):
    """The first line: all that is needed to go on after a crash."""

    event: Literal["campaign"]
    time: Annotated[float, "Unix seconds"]
    schema: Literal[1]
    name: Annotated[str, "of the campaign"]
    seed: int
    settings_name: str
    settings: Annotated[str, "the settings file's text"]
    registry: dict[str, Any]
    rendered: Annotated[str | None, "folder of edited supervisord entries"]
    workspace: Annotated[str, "its folder"]
    invalid: Annotated[bool, "an experiment was left out"]
    reproduces: NotRequired[Annotated[str, "journal whose runs these are, done again"]]
    cluster: NotRequired[Annotated[dict[str, Any], "how it runs on a cluster"]]
    search: NotRequired[
        Annotated[
            dict[str, Any], "of a search: its settings, and which side of its metric is better"
        ]
    ]
    runs: Annotated[list[RunJson], "all; of a search those up to its first trial"]


class JournalLine(TypedDict, total=False):
    """A further line. Which keys it has goes by its event."""

    event: Annotated[
        str,
        "prepared, planned, started, finished, superseded, ended, interrupted, task_ended,"
        " task_interrupted, refused, submitting, submitted, cancelled",
    ]
    time: Annotated[float, "Unix seconds"]
    run: Annotated[int, "index of the run"]
    experiment_id: str
    status: str
    repo: Annotated[str, "that was prepared"]
    trial: Annotated[int, "number of a search's trial that was planned"]
    planned: Annotated[list[RunJson], "its runs"]
    signal: Annotated[int | None, "that ended it; null: it paused by itself"]
    runs: Annotated[dict[str, str], "index → status, of what was done"]
    node: Annotated[str, "of a cluster"]
    task: Annotated[int, "of a cluster's campaign, by its own number"]
    reason: Annotated[str, "why a node refused"]
    script: Annotated[str, "file name of a submitted array's script"]
    offset: Annotated[int, "number of the array's first task"]
    tasks: Annotated[list[Any], "numbers in the array; of a cancelled one, JOB_NUMBER"]
    options: dict[str, Any]
    cluster: Annotated[str | None, "its name"]
    by: Annotated[str, "host that submitted"]
    job: Annotated[str, "id of the array job"]
    restarts: Annotated[int, "how often Slurm had started the task before"]


NEEDED = {
    "campaign": ("schema", "name", "seed", "settings_name", "settings", "registry", "runs"),
    "prepared": ("repo",),
    "planned": ("trial", "planned"),
    "started": ("run", "experiment_id"),
    "finished": ("run", "experiment_id", "status"),
    "task_interrupted": ("runs",),
    "refused": ("task",),
    "submitting": ("script", "offset"),
    "submitted": ("job", "offset", "tasks"),
}
"""Event → keys that a line of it has, beside event and time."""


def fault(line: Any) -> str | None:
    """Why this is no line of a journal; None where it is one."""
    head = isinstance(line, dict) and line.get("event") == "campaign"
    found = shape.fault(line, JournalHead if head else JournalLine)
    if found is not None:
        return str(found)
    needed = ("event", "time", *NEEDED.get(line.get("event"), ()))
    missing = [key for key in needed if line.get(key) is None]
    if missing:
        return f"{missing[0]} is missing"
    if not is_file_name(line.get("experiment_id", "E")):
        return f"experiment_id is {shape.shown(line['experiment_id'])}, not the name of a file"
    if not head and not all(index.isdecimal() for index in line.get("runs", ())):
        return "runs is not by number"
    return None
