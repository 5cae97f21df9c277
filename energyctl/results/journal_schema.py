"""What the journal of a campaign holds: one object a line."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from typing_extensions import NotRequired, TypedDict

from energyctl.results.schema import RunJson

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
    cluster: NotRequired[Annotated[dict[str, Any], "how it runs on a cluster"]]
    runs: list[RunJson]


class JournalLine(TypedDict, total=False):
    """A further line. Which keys it has goes by its event."""

    event: Annotated[
        str,
        "started, finished, superseded, ended, interrupted, task_ended, task_interrupted, refused,"
        " submitting, submitted, cancelled",
    ]
    time: Annotated[float, "Unix seconds"]
    run: Annotated[int, "index of the run"]
    experiment_id: str
    status: str
    signal: Annotated[int | None, "that ended it"]
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
