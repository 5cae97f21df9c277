"""What the foreground tells of itself: metrics by the registry, and the variables around it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from energyctl.campaign.training import marks
from energyctl.campaign.training.foreground import Attempt
from energyctl.campaign.training.invocations import Trainings
from energyctl.campaign.training.metrics import take_metrics
from energyctl.campaign.training.progress import ProgressReader
from energyctl.config.registry import Invocation, Metric, Registry, Repository
from energyctl.launchers import container
from energyctl.meters.marks.lines import EpochEnd
from energyctl.meters.marks.timeline import Timeline
from energyctl.system.interrupts import Interrupts
from energyctl.system.logs import OutputLog


def attempt(tmp_path: Path, printed: str, *metrics: Metric, **figures: str) -> Attempt:
    """After a training that printed something and told one epoch."""
    made = Attempt(
        0, OutputLog(tmp_path / f"{len(list(tmp_path.iterdir()))}.log"), start=1.0, end=9.0
    )
    made.timeline = Timeline(metrics)
    made.timeline.take(EpochEnd(0, figures), 5.0)
    made.log.make()
    with closing(made.log), Interrupts() as interrupts:
        made.log.path.write_text(printed)
        repository = Repository("r", None, ("m",), (), metrics=metrics)
        take_metrics(made, repository, tmp_path, interrupts)
    return made


def test_a_pattern_of_the_registry_wins_over_what_is_told(tmp_path: Path) -> None:
    loss, other = Metric("loss", "loss ({number})"), Metric("other", "other ({number})")
    found = attempt(tmp_path, "loss 2\n", loss, other, loss="1", other="3", acc="0.5")
    assert found.metrics == {"loss": 2.0, "other": 3.0, "acc": 0.5}
    assert set(found.series) == {"other", "acc"}
    assert not found.warnings


def test_a_metric_that_nobody_told_has_its_reason(tmp_path: Path) -> None:
    metric = Metric("accuracy", told="val/acc", required=True)
    found = attempt(tmp_path, "", metric, acc="1.0")
    assert found.error is not None
    assert "the training told no figure of that name; it told acc" in found.error
    strange = attempt(tmp_path, "", metric, **{"val/acc": "Tensor@cuda:0"})
    assert "'Tensor@cuda:0'" in (strange.error or "")
    nan = attempt(tmp_path, "", metric, **{"val/acc": "nan"})
    assert nan.metrics == {"accuracy": None}
    assert nan.error is None


def test_epochs_are_the_progress_where_there_is_no_pattern(tmp_path: Path) -> None:
    made = Attempt(0, OutputLog(tmp_path / "log"))
    reader = ProgressReader(None)
    assert reader.latest(made) is None
    made.timeline.take(EpochEnd(4), 5.0)
    assert reader.latest(made) == (1, None)
    reader.close()


def test_only_the_foreground_knows_the_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Trainings.here(Registry({}, {}), tmp_path, {"ENERGYCTL_SOCKET": "/x", "A": "b"})
    assert made.environ == {"A": "b"}
    with marks.listening(Attempt(0, OutputLog(tmp_path / "log")), (), tmp_path) as told:
        assert told == {"ENERGYCTL_SOCKET": str(tmp_path / "marks.sock")}
    started: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda _, argv: started.append(argv))
    for name in ("ENERGYCTL_RUN", "ENERGYCTL_CONTAINERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENERGYCTL_SOCKET", "/run/marks.sock")
    container.start("podman", "n", ["--workdir", "/w"], ["--", "image"])
    (argv,) = started
    mount = argv.index("type=bind,source=/run/marks.sock,target=/run/marks.sock")
    assert argv[mount - 3 : mount] == ["--env", "ENERGYCTL_SOCKET", "--mount"]


def test_a_socket_that_cannot_be_is_a_warning(tmp_path: Path) -> None:
    made = Attempt(0, OutputLog(tmp_path / "log"))
    with marks.listening(made, (), tmp_path / "not there") as told:
        assert told == {}
    (line,) = made.warnings
    assert line.startswith("epochs and marks of the training cannot be received: ")


def test_runs_of_other_tools_are_named_by_their_variables() -> None:
    def found(environment: dict[str, str], **env: str) -> list[Any]:
        step = Invocation(("x",), "/", env)
        return list(marks.tracked_by_environment([step], environment))

    assert found({"PATH": "/bin"}) == []
    (one,) = found({"MLFLOW_TRACKING_URI": "https://me:key@host"}, MLFLOW_RUN_ID="m1")
    assert (one.to, one.run_id, one.uri, one.project) == ("mlflow", "m1", "https://host", None)
    (two,) = found({"WANDB_RUN_ID": "w1", "WANDB_ENTITY": "me", "WANDB_PROJECT": "p"})
    assert (two.to, two.run_id, two.project) == ("wandb", "w1", "me/p")
