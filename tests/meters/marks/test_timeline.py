"""Lines of a training → epochs, marks and figures; whatever comes, within limits."""

from __future__ import annotations

import pytest

from energyctl.config.registry import Metric
from energyctl.energy import Recording
from energyctl.meters.marks import timeline as timelines
from energyctl.meters.marks.energies import told_energies
from energyctl.meters.marks.lines import Begin, EpochEnd, Mark, Tracked, parse
from energyctl.meters.marks.timeline import Timeline


def of(*lines: tuple[float, str], metrics: tuple[Metric, ...] = ()) -> Timeline:
    made = Timeline(metrics)
    for at, text in lines:
        made.take(parse(text)[1], at)
    return made


def spans(made: Timeline) -> list[tuple[int, float | None, float]]:
    return [(one.number, one.start, one.end) for one in made.epochs]


@pytest.mark.parametrize(
    ("text", "at", "line"),
    [
        ("begin", None, Begin()),
        ("at=12.5 epoch 3 loss=0.1 acc=nan", 12.5, EpochEnd(3, {"loss": "0.1", "acc": "nan"})),
        ("mark save  it\x1b[31m", None, Mark("save  it")),
        ("at=1 mark", 1.0, Mark(None)),
        (
            "tracked wandb w1 uri=http://user:key@host project=a/b",
            None,
            Tracked("wandb", "w1", "http://host", "a/b"),
        ),
    ],
)
def test_lines(text: str, at: float | None, line: object) -> None:
    assert parse(text) == (at, line)


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "begin now", "epoch", "epoch x", "epoch -1", "epoch 1.5", "epoch 1e999",
        "epoch 1 loss", "epoch 1 =2", "at=x begin", "at=nan begin", "tracked comet r", "dropped",
    ],
)  # fmt: skip
def test_what_is_no_line(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse(text)


def test_an_epoch_begins_where_the_one_before_ended_or_where_it_is_told() -> None:
    assert spans(of((10, "epoch 0"), (20, "epoch 1"))) == [(0, None, 10), (1, 10, 20)]
    begun = of((5, "begin"), (10, "epoch 0"), (15, "epoch 1"), (18, "begin"), (20, "epoch 2"))
    assert spans(begun) == [(0, 5, 10), (1, 10, 15), (2, 18, 20)]


def test_the_same_number_again_is_the_same_epoch() -> None:
    """As another process tells it, or as it goes on with its evaluation."""
    made = of((5, "begin"), (10, "epoch 0 loss=1"), (12, "epoch 0 acc=2"), (20, "epoch 1"))
    assert spans(made) == [(0, 5, 12), (1, 12, 20)]
    assert made.epochs[0].metrics == {"loss": 1.0, "acc": 2.0}
    folds = of((5, "begin"), (10, "epoch 0"), (11, "begin"), (20, "epoch 0"))
    assert spans(folds) == [(0, 5, 10), (0, 11, 20)]


def test_time_does_not_run_backwards() -> None:
    made = of((10, "epoch 0"), (8, "epoch 1"), (12, "mark a"), (11, "mark"))
    assert spans(made) == [(0, None, 10), (1, 10, 10)]
    assert [(one.start, one.end) for one in made.marks] == [(12, 12)]


def test_neighbours_of_many_epochs_are_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timelines, "MOST_EPOCHS", 8)
    made = of(*((float(n), f"epoch {n} loss={n}") for n in range(1, 101)))
    assert len(made.epochs) <= 8
    assert sum(one.epochs for one in made.epochs) == made.epochs_seen == 100
    assert made.epochs[-1].end == 100
    assert made.epochs[-1].metrics == {"loss": 100.0}
    assert all(b.start == a.end for a, b in zip(made.epochs, made.epochs[1:], strict=False))


def test_whatever_is_told_memory_has_a_limit() -> None:
    made = Timeline()
    for number in range(5000):
        made.take(Mark(f"m{number}"), float(number))
        made.take(EpochEnd(number, {f"f{number}-{n}": "1" for n in range(3)}), float(number))
        made.take(Tracked("mlflow", f"r{number}"), 0.0)
        made.unreadable(f"nonsense {number}")
    assert len(made.epochs) <= timelines.MOST_EPOCHS
    assert len(made.marks) == timelines.MOST_MARKS
    assert len(made.reading().values) == timelines.MOST_METRICS
    assert len(made.tracked) == timelines.MOST_TRACKED
    lines = "\n".join(made.warnings())
    assert "5000 lines that the training told of its epochs and marks cannot be read" in lines
    assert "'nonsense 0'" in lines
    assert "the first 1000 are kept, and 4000 are not" in lines


def test_figures_are_metrics_as_the_registry_says() -> None:
    best = Metric("best", told="acc", select="max", scale=100, reach=80, better="higher")
    made = of(
        (1, "epoch 0 acc=0.9 loss=3"), (2, "epoch 1 acc=0.7 loss=cuda"), (3, "epoch 2 loss=nan"),
        metrics=(best, Metric("lost", told="other"), Metric("printed", "{number}")),
    )  # fmt: skip
    reading = made.reading()
    assert reading.values["best"] == 90.0
    assert reading.series["best"].reached is not None
    assert reading.series["best"].reached.time == 1.0
    assert [point.time for point in reading.series["loss"].all] == [1.0, 3.0]
    assert reading.strange == {"loss": "cuda"}
    assert "it told acc, loss" in reading.lacking["lost"]
    assert set(reading.values) == {"best", "loss"}


def test_what_is_never_a_number_is_said_once() -> None:
    (line,) = of((1, "epoch 0 loss=Tensor@cuda:0"), (2, "epoch 1 loss=Tensor@cuda:0")).warnings()
    assert "loss, 'Tensor@cuda:0'" in line


def test_what_arrives_as_the_training_ends_is_its_own() -> None:
    nothing = Recording(domains=(), series={}, phases=(), interval_seconds=1.0)
    made = of((2.0, "epoch 0"), (9.02, "epoch 1"), (30.0, "epoch 2"), (30.0, "mark late"))
    told = told_energies(made, nothing, 1.0, 9.0)
    assert [(one["start"], one["end"]) for one in told["epochs"]] == [(1.0, 2.0), (2.0, 9.0)]
    assert "marks" not in told


def test_processes_that_each_begin_and_end_epochs_tell_the_same_ones() -> None:
    made = Timeline()
    for at, source, text in (
        (0, "a", "begin"), (0.1, "b", "begin"), (10, "a", "epoch 1"), (10.01, "a", "begin"),
        (10.1, "b", "epoch 1"), (10.2, "b", "begin"), (20, "a", "epoch 2"), (20.2, "b", "epoch 2"),
        (21, "a", "begin"), (30, "a", "epoch 2"),
    ):  # fmt: skip
        made.take(parse(text)[1], at, source)
    assert spans(made) == [(1, 0, 10.1), (2, 10.1, 20.2), (2, 21, 30)]


def test_lines_of_connections_of_their_own_are_those_of_one_training() -> None:
    made = Timeline()
    for number in range(200):
        made.take(parse("begin")[1], 10 * number, object())
        made.take(parse("epoch 1")[1], 10 * number + 5, object())
    assert spans(made)[-1] == (1, 1990, 1995)
    assert len(made.epochs) == 200


@pytest.mark.parametrize(
    ("late", "spans"),
    [
        ("mark in a child", [("evaluate", 10, 15), ("in a child", 15, 20), ("save", 20, 30)]),
        ("mark", [("evaluate", 10, 15), ("save", 20, 30)]),
    ],
)
def test_what_another_process_marked_earlier_takes_nothing_of_the_mark_that_is_open(
    late: str, spans: list[tuple[str, float, float]]
) -> None:
    made = Timeline()
    for at, source, text in (
        (10, "a", "mark evaluate"), (20, "a", "mark save"), (15, "b", late), (30, "a", "mark"),
    ):  # fmt: skip
        made.take(parse(text)[1], at, source)
    assert [(one.name, one.start, one.end) for one in made.marks] == spans
