"""Which task does which runs, which attempt counts, and what sbatch is given: without a cluster."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energyctl.analysis import machines
from energyctl.background.templates import for_sbatch
from energyctl.campaign.journal import Journal, create_journal
from energyctl.config.plan import Run, Training
from energyctl.config.settings import Slurm
from energyctl.config.settings.slurm import OWN, seconds_of
from energyctl.errors import RunError, SettingsError
from energyctl.results.folder import ResultsFolder
from energyctl.results.paths import RunFiles
from energyctl.slurm import submit
from energyctl.slurm.arrays import (
    Array,
    arrays,
    ranges,
    sbatch_options,
    task_numbers,
    with_options,
)
from energyctl.slurm.attempts import ClaimingStore, Tries
from energyctl.slurm.claims import Claims
from energyctl.slurm.commands import CurrentTask, expanded
from energyctl.system.workspace import Workspace

# -- arrays ------------------------------------------------------------------------------------


@given(st.sets(st.integers(1, 3000), min_size=1), st.integers(1, 1200))
def test_arrays_hold_each_task_once_and_no_index_above_the_largest(
    tasks: set[int], largest: int
) -> None:
    made = arrays(tasks, largest)
    assert sorted(task for array in made for task in array.tasks) == sorted(tasks)
    assert all(1 <= index <= largest for array in made for index in array.indices)
    for array in made:
        assert [array.offset + index for index in array.indices] == list(array.tasks)


TRAINING = Training("a", "b", {})


@given(st.sets(st.integers(1, 3000), min_size=1), st.integers(1, 500))
def test_a_run_is_of_one_task_for_good(indices: set[int], size: int) -> None:
    """Also where --only has left some out."""
    tasks = task_numbers([Run(i, 0, 1, "default", TRAINING) for i in sorted(indices)], size)
    assert tasks == {index: (index - 1) // size + 1 for index in indices}


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        (1, [1, 1, 1, 2, 2, 3, 4, 4, 5]),
        (2, [1, 1, 1, 2, 2, 3, 4, 4, 5]),
        (3, [1, 1, 1, 2, 2, 2, 3, 3, 3]),
        (4, [1, 1, 1, 2, 2, 2, 3, 3, 3]),
        (5, [1, 1, 1, 1, 1, 2, 2, 2, 2]),
        (9, [1] * 9),
    ],
)
def test_a_block_and_its_warm_up_runs_stay_in_one_task(size: int, wanted: list[int]) -> None:
    blocks = [1, 1, 2, 2, None, 3, 3, None]
    runs = [Run(1, 0, 1, "default", TRAINING, warm_up=True)]
    runs += [Run(i, 0, 1, "default", TRAINING, block=block) for i, block in enumerate(blocks, 2)]
    assert list(task_numbers(runs, size).values()) == wanted


def test_a_block_whose_runs_are_mixed_with_others_stays_in_one_task() -> None:
    blocks = [2, 1, 2, 3, 1, 3]
    runs = [Run(i, 0, 1, "default", TRAINING, block=block) for i, block in enumerate(blocks, 1)]
    assert task_numbers(runs, 2) == {1: 1, 3: 1, 2: 2, 5: 2, 4: 3, 6: 3}


@given(st.sets(st.integers(0, 60)))
def test_ranges_say_the_same_numbers(numbers: set[int]) -> None:
    said: set[int] = set()
    for part in filter(None, ranges(numbers).split(",")):
        first, _, last = part.partition("-")
        said |= set(range(int(first), int(last or first) + 1))
    assert said == numbers


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(1, 9))
def test_indices_are_read_as_squeue_writes_them(numbers: set[int], throttle: int) -> None:
    assert expanded(f"{ranges(numbers)}%{throttle}") == sorted(numbers)
    assert expanded("0-20:5,30,32-33") == [0, 5, 10, 15, 20, 30, 32, 33]
    assert expanded("N/A") == [0]


def test_an_array_is_written_as_slurm_reads_it() -> None:
    array = Array(1000, (1001, 1002, 1003, 1007))
    assert array.spec(2) == "1-3,7%2"
    assert array.spec() == "1-3,7"


# -- options -----------------------------------------------------------------------------------


def test_the_command_line_wins_over_the_settings() -> None:
    wanted = Slurm(partition="cpu", options={"mail-type": "END"}, modules=("gcc",))
    made = with_options(
        wanted, ["partition=gpu", "--cpus-per-task=4", "modules=cuda/12,nccl", "nodes_at_once=3"]
    )
    assert sbatch_options(made) == [
        ("partition", "gpu"),
        ("mail-type", "END"),
        ("cpus-per-task", "4"),
    ]
    assert made.modules == ("cuda/12", "nccl")
    assert made.nodes_at_once == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("partition", "write KEY=VALUE"),
        ("partition=", "write KEY=VALUE"),
        ("runs_per_task=many", "must be a whole number"),
        ("nodes_at_once=²", "must be a whole number"),
        ("warning_seconds=1", "greater than or equal to 10"),
        ("shared_node=maybe", "'fail' or 'warn'"),
    ],
)
def test_an_option_that_cannot_be_is_said(given: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        with_options(Slurm(), [given])


@pytest.mark.parametrize("name", sorted(OWN))
def test_options_that_energyctl_sets_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(SettingsError, match=f"the option {name} cannot be given: "):
        with_options(Slurm(), [f"{name}=x"])


def test_an_option_with_a_field_of_its_own_stands_beside_options() -> None:
    with pytest.raises(ValueError, match='write "partition" beside "options"'):
        Slurm(options={"partition": "gpu"})


@pytest.mark.parametrize(
    ("time", "seconds"),
    [(90, 5400), ("90", 5400), ("1:30", 90), ("02:00:00", 7200), ("1-0", 86400),
     ("2-3:30", 185_400), ("1-01:02:03", 90_123), ("UNLIMITED", None), ("soon", None)],
)  # fmt: skip
def test_a_time_limit_is_read_as_sbatch_reads_it(time: int | str, seconds: float | None) -> None:
    assert seconds_of(time) == seconds


@given(st.text(min_size=1).filter(str.isprintable))
def test_a_value_in_a_line_of_sbatch_is_one_word(value: str) -> None:
    line = str(for_sbatch(value))
    assert "\n" not in line
    assert shlex.split(line, comments=True) == [value]
    if line != value:
        assert line[0] == line[-1] == '"'
        inside = line[1:-1]
        assert inside.replace('\\"', "").count('"') == 0
        assert inside.replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\") == value


def test_a_line_break_cannot_stand_in_a_line_of_sbatch() -> None:
    with pytest.raises(SettingsError, match="cannot stand in a line of sbatch"):
        for_sbatch("a\n#SBATCH --uid=0")


def test_the_script_is_what_bash_understands(tmp_path: Path) -> None:
    root = tmp_path / 'it\'s 5% "of" $HOME; #all'
    root.mkdir()
    wanted = Slurm(partition="gpu", modules=("cuda/12.4", "a b; rm"), nodes_at_once=2)
    text = submit.script(
        Workspace(root), "na`me\n", root / "x.jsonl", Array(1000, (1001, 1002)), wanted
    )
    assert "#SBATCH --array=1-2%2\n" in text
    assert "#SBATCH --exclusive\n" in text
    assert "#SBATCH --mem=0\n" in text
    assert "run-task " in text
    # module and the last line are stood in for: both say their arguments.
    program = tmp_path / "script.sh"
    exec_line = text.rindex("exec ")
    stub = f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"
    (tmp_path / "stub").write_text(stub)
    (tmp_path / "stub").chmod(0o755)
    call = text[exec_line:].replace(f"exec {sys.executable}", f"exec {tmp_path / 'stub'}")
    program.write_text(f'module() {{ {tmp_path / "stub"} "$@"; }}\n{text[:exec_line]}{call}')
    done = subprocess.run(
        ["/bin/bash", str(program)],
        capture_output=True,
        text=True,
        check=True,
        env={"SLURM_ARRAY_TASK_ID": "2", "PATH": "/usr/bin:/bin"},
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert said == [
        ["load", "cuda/12.4"],
        ["load", "a b; rm"],
        [submit.PROGRAM, "-C", str(root), "run-task", str(root / "x.jsonl"), "1002"],
    ]


# -- claims ------------------------------------------------------------------------------------

FACTS: dict[str, Any] = {
    "job": "7", "array_job": "7", "task": 1, "restarts": 0, "node": "n1",
}  # fmt: skip
RUN = Run(1, 0, 1, "default", Training("repo", "model", {}))


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    made = Claims(tmp_path / "claims")
    made.prepare()
    return made


def test_of_two_attempts_the_newer_counts_and_the_other_is_told_by_whom(claims: Claims) -> None:
    first = claims.claim(1, experiment_id="A", **FACTS)
    second = claims.claim(1, experiment_id="B", **FACTS)
    assert (first.number, second.number) == (1, 2)
    assert claims.decide(first) == second
    assert claims.decided(1) is None
    assert claims.decide(second) is None
    assert claims.decided(1) == second
    # And once more: what is decided stays so.
    assert claims.decide(second) is None
    assert claims.decide(claims.claim(1, experiment_id="C", **FACTS)) == second


def test_a_result_that_counts_is_not_superseded_by_a_later_claim(claims: Claims) -> None:
    first = claims.claim(1, experiment_id="A", **FACTS)
    assert claims.decide(first) is None
    claims.claim(1, experiment_id="B", **FACTS)
    assert claims.decide(first) is None


def test_a_decision_that_cannot_be_read_is_nobodys(claims: Claims) -> None:
    mine = replace(claims, stale_seconds=0.3)
    claim = mine.claim(1, experiment_id="A", **FACTS)
    (claims.folder / "run1.done").write_text("{")
    with pytest.raises(RunError, match=r"run1\.done is there, but cannot be read"):
        mine.decide(claim)


def test_of_many_at_once_exactly_one_counts(claims: Claims) -> None:
    """Each with eyes of its own, as on machines of their own."""
    won: list[str] = []
    begin = threading.Barrier(8)

    def attempt(name: str) -> None:
        mine = Claims(claims.folder)
        claim = mine.claim(1, experiment_id=name, **{**FACTS, "node": name})
        begin.wait(30)
        if mine.decide(claim) is None:
            won.append(name)

    threads = [threading.Thread(target=attempt, args=(f"n{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (winner,) = won
    numbers = [claim.number for claim in claims.of(1)]
    assert numbers == list(range(1, 9))
    assert claims.of(1)[-1].experiment_id == winner


def test_a_folder_without_hard_links_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    with pytest.raises(Exception, match="a shared file system that knows hard links"):
        Claims(tmp_path / "claims").prepare()
    assert list((tmp_path / "claims").iterdir()) == []


# -- attempts ----------------------------------------------------------------------------------


@pytest.fixture
def attempts(tmp_path: Path) -> Tries:
    folder = ResultsFolder(tmp_path / "results")
    folder.prepare()
    journal = create_journal(
        folder, "study", settings="{}", settings_name="x.json", registry={}, runs=[RUN.to_json()],
        seed=1, rendered=None, workspace=str(tmp_path), cluster={"kind": "slurm"},
    )  # fmt: skip
    made = Tries(folder, journal)
    for place in (journal.parts, made.root):
        folder.make(place)
    return made


def placed(attempts: Tries, node: str, restarts: int = 0) -> ClaimingStore:
    return ClaimingStore(attempts, CurrentTask("7", "7", 1, node, restarts, "c", "main"), 1)


def result_of(files: RunFiles, status: str = "succeeded") -> dict[str, Any]:
    return {
        "schema": 1,
        "experiment_id": files.experiment_id,
        "status": status,
        "foreground_result": {"log": files.training_log(1).name},
        "environment": {"run": RUN.to_json()},
    }


def begun(place: ClaimingStore) -> RunFiles:
    files = place.begin(RUN)
    assert files is not None
    files.training_log(1).write_text("log")
    files.energy(1).mkdir()
    return files


def settle(attempts: Tries, alive: set[tuple[str, int]] | None = None) -> list[str]:
    return attempts.settle(attempts.present([RUN]), alive or set())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_run_is_made_apart_and_appears_whole(attempts: Tries) -> None:
    place = placed(attempts, "n1")
    files = begun(place)
    assert files.folder.parent == attempts.root
    assert names(attempts.folder.root) == [f".{files.experiment_id}.taken", "campaigns"]
    assert place.keep(RUN, files, result_of(files), False) == "finished"
    assert not list(attempts.folder.root.glob("*.json"))
    assert place.keep(RUN, files, result_of(files), True) == "finished"
    assert names(attempts.folder.root) == sorted(
        [
            f"{files.experiment_id}.json",
            files.training_log(1).name,
            files.energy(1).name,
            "campaigns",
        ]
    )
    assert list(attempts.root.iterdir()) == []
    assert placed(attempts, "n2").begin(RUN) is None


def test_two_that_begin_in_the_same_second_have_ids_of_their_own(attempts: Tries) -> None:
    first, second = begun(placed(attempts, "n1")), begun(placed(attempts, "n2"))
    assert first.experiment_id != second.experiment_id
    # Nor does a local run take one of them.
    assert attempts.folder.new_run(RUN, 0.0).experiment_id not in (
        first.experiment_id,
        second.experiment_id,
    )


def test_the_orphan_is_kept_apart_and_the_newer_attempt_counts(attempts: Tries) -> None:
    orphan, again = placed(attempts, "n1"), placed(attempts, "n2", restarts=1)
    old, new = begun(orphan), begun(again)
    assert orphan.keep(RUN, old, result_of(old), True) == "superseded"
    assert again.keep(RUN, new, result_of(new), True) == "finished"
    assert [r["experiment_id"] for r in attempts.folder.all()] == [new.experiment_id]
    kept = attempts.journal.own_folder / "superseded" / old.experiment_id
    result = json.loads((kept / f"{old.experiment_id}.json").read_text())
    assert result["superseded"] == {"by": new.experiment_id, "status": "succeeded"}
    assert not list(attempts.folder.root.glob(".*"))


def test_a_task_that_was_killed_in_its_cool_down_has_done_its_run(attempts: Tries) -> None:
    place = placed(attempts, "n1")
    files = begun(place)
    place.keep(RUN, files, result_of(files), False)
    # Killed here; its requeue finds nothing to do, and brings the result into place.
    assert placed(attempts, "n2", restarts=1).begin(RUN) is None
    assert [r["experiment_id"] for r in attempts.folder.all()] == [files.experiment_id]
    # Had it lived, it would have found its result where it belongs.
    assert place.keep(RUN, files, result_of(files), True) == "finished"
    assert len(list(attempts.folder.all())) == 1


def test_a_crash_between_two_moves_is_made_good(attempts: Tries) -> None:
    place = placed(attempts, "n1")
    files = begun(place)
    place.keep(RUN, files, result_of(files), False)
    files.training_log(1).rename(attempts.folder.root / files.training_log(1).name)
    assert settle(attempts, {("7", 1)}) == []  # its task may be at work
    (line,) = settle(attempts)
    assert "is in its place" in line
    assert [r["experiment_id"] for r in attempts.folder.all()] == [files.experiment_id]
    assert (attempts.folder.root / files.training_log(1).name).read_text() == "log"
    assert settle(attempts) == []


def test_a_run_alone_and_one_beside_a_background_begin_in_the_same_second(
    attempts: Tries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
    parallel = replace(RUN, index=2, mode="parallel")
    alone, beside = placed(attempts, "n1"), placed(attempts, "n2")
    files = begun(alone), beside.begin(parallel)
    assert files[1] is not None
    files[1].training_log(1).write_text("log")
    assert files[0].training_log(1).name != files[1].training_log(1).name
    assert alone.keep(RUN, files[0], result_of(files[0]), True) == "finished"
    assert beside.keep(parallel, files[1], result_of(files[1]), True) == "finished"
    assert len(list(attempts.folder.all())) == 2


def test_an_attempt_that_was_given_up_while_it_lived_does_not_count(attempts: Tries) -> None:
    """An orphan that Slurm does not know any more, as after `cancel`."""
    orphan = placed(attempts, "n1")
    files = begun(orphan)
    (line,) = settle(attempts)
    assert "cut off" in line
    with pytest.raises(RunError, match="this attempt was given up"):
        orphan.keep(RUN, files, result_of(files), True)
    assert attempts.claims.decided(1) is None
    again = placed(attempts, "n2")
    new = begun(again)
    assert again.keep(RUN, new, result_of(new), True) == "finished"
    statuses = sorted(r["status"] for r in attempts.folder.all())
    assert statuses == ["interrupted", "succeeded"]


def test_a_crash_before_the_folder_of_an_attempt_is_gone_changes_nothing(
    attempts: Tries,
) -> None:
    place = placed(attempts, "n1")
    files = begun(place)
    place.keep(RUN, files, result_of(files), True)
    files.folder.mkdir()  # rmdir had not come so far, or a client of NFS kept a file
    (files.folder / ".nfs0001").touch()
    assert settle(attempts) == []
    assert not files.folder.exists()
    (result,) = attempts.folder.all()
    assert result["status"] == "succeeded"


def test_a_crash_while_a_result_is_superseded_is_made_good(attempts: Tries) -> None:
    orphan, again = placed(attempts, "n1"), placed(attempts, "n2", restarts=1)
    old, new = begun(orphan), begun(again)
    marked = result_of(old) | {"status": "superseded", "superseded": {}}
    old.result.write_text(json.dumps(marked))  # and killed before it was moved
    again.keep(RUN, new, result_of(new), True)
    settle(attempts)
    assert [r["experiment_id"] for r in attempts.folder.all()] == [new.experiment_id]
    assert names(attempts.journal.own_folder / "superseded") == [old.experiment_id]


def test_a_result_that_counts_and_is_lost_is_said(attempts: Tries) -> None:
    place = placed(attempts, "n1")
    files = begun(place)
    place.keep(RUN, files, result_of(files), True)
    (attempts.folder.root / files.result.name).unlink()
    with pytest.raises(RunError, match=r"whose result is gone; to do it again remove .*run1\.done"):
        placed(attempts, "n2").begin(RUN)


def test_what_a_crash_left_before_a_claim_is_swept_once_it_is_old(
    attempts: Tries, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts.folder.reserve(RUN, 0.0, attempts.root, attempts.journal.name)
    assert settle(attempts) == []
    assert len(list(attempts.root.iterdir())) == 1  # its task may be about to claim
    monkeypatch.setattr("energyctl.slurm.attempts.OLD_SECONDS", -1.0)
    assert settle(attempts, {("7", 1)}) == []
    assert len(list(attempts.root.iterdir())) == 1
    settle(attempts)
    assert list(attempts.root.iterdir()) == []
    assert names(attempts.folder.root) == ["campaigns"]


def test_two_that_settle_at_once_do_not_hinder_each_other(attempts: Tries) -> None:
    runs = [replace(RUN, index=n) for n in range(1, 13)]
    for run in runs:
        place = placed(attempts, "n1")
        files = place.begin(run)
        assert files is not None
        if run.index % 2:
            place.keep(run, files, result_of(files), False)
    present = attempts.present(runs)
    said: list[str] = []
    threads = [
        threading.Thread(target=lambda: said.extend(attempts.settle(present, set())))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not [line for line in said if "not settled" in line]
    assert list(attempts.root.iterdir()) == []
    statuses = sorted(r["status"] for r in attempts.folder.all())
    assert statuses == ["interrupted"] * 6 + ["succeeded"] * 6


@pytest.mark.parametrize("given", ["arr=1-3", "sig=B:USR1", "excl=user", "no-req=1", "outp=x"])
def test_an_abbreviation_of_what_energyctl_sets_is_refused_too(given: str) -> None:
    with pytest.raises(SettingsError, match="cannot be given: "):
        with_options(Slurm(), [given])


def test_what_a_killed_task_left_becomes_an_interrupted_result(attempts: Tries) -> None:
    files = begun(placed(attempts, "n1"))
    (line,) = settle(attempts)
    assert "cut off" in line
    (result,) = attempts.folder.all()
    assert (result["status"], result["environment"]["node"]) == ("interrupted", "n1")
    assert attempts.journal.finished() == {}
    again = placed(attempts, "n2", restarts=1)
    new = begun(again)
    assert new.experiment_id != files.experiment_id
    assert again.keep(RUN, new, result_of(new), True) == "finished"


def test_an_interrupted_run_is_done_again(attempts: Tries) -> None:
    place = placed(attempts, "n1")
    files = begun(place)
    assert place.keep(RUN, files, result_of(files, "interrupted"), True) == "finished"
    assert attempts.journal.finished() == {}
    assert placed(attempts, "n1", restarts=1).begin(RUN) is not None


# -- journal -----------------------------------------------------------------------------------


def test_the_parts_of_a_journal_are_read_as_one(attempts: Tries) -> None:
    journal = attempts.journal
    parts: list[Journal] = [
        replace(journal, part=journal.parts / f"{n}.jsonl", facts={"node": n}) for n in ("a", "b")
    ]
    parts[0].append("started", run=1, experiment_id="x", time=3.0)
    parts[1].append("finished", run=1, experiment_id="x", status="failed", time=5.0)
    journal.append("submitted", job="1", time=1.0, offset=0, tasks=[1])
    # The head keeps its place, whatever the clocks of the nodes say.
    assert journal.head()["name"] == "study"
    events = [event["event"] for event in journal.events()]
    assert events.index("submitted") < events.index("started") < events.index("finished")
    assert journal.last_finished("b") == 5.0
    assert journal.last_finished("a") is None
    assert submit.submissions(journal.events()) == {"1": Array(0, (1,))}


# -- machines beside each other ----------------------------------------------------------------


def row(node: str, joules: float, **more: Any) -> dict[str, Any]:
    return {
        "node": node, "total_joules": joules, "status": "succeeded", "repository": "r",
        "model": "m", "mode": "parallel", "condition": "beside r/small", **more,
    }  # fmt: skip


def test_the_spread_within_and_between_machines_is_that_of_the_analysis_of_variance() -> None:
    """Snedecor and Cochran's calcium in turnip leaves: four leaves, four determinations each;
    within 0.0066, between leaves 0.0724 (Statistical Methods, 6th edition, example 10.11)."""
    leaves = [
        (3.28, 3.09, 3.03, 3.03),
        (3.52, 3.48, 3.38, 3.38),
        (2.88, 2.80, 2.81, 2.76),
        (3.34, 3.38, 3.23, 3.26),
    ]
    rows = [row(f"n{n}", value) for n, leaf in enumerate(leaves) for value in leaf]
    (found,) = machines.spreads(rows)
    mean = sum(map(sum, leaves)) / 16
    assert (found.within * mean) ** 2 == pytest.approx(0.0066, abs=0.00005)
    assert (found.between * mean) ** 2 == pytest.approx(0.0724, abs=0.00005)
    assert (found.machines, found.runs, found.drawn) == (4, 16, ())


def test_machines_that_differ_by_chance_alone_have_no_spread_between_them() -> None:
    (found,) = machines.spreads([row("a", 10), row("a", 12), row("b", 11), row("b", 11)])
    assert found.between == 0.0
    assert machines.spreads([row("a", 10), row("b", 11)]) == []  # nothing to tell it from
    assert machines.spreads([row("a", 10), row("a", 11)]) == []


def test_runs_under_other_conditions_or_other_meters_are_not_compared() -> None:
    rows = [row("a", 10), row("a", 11), row("b", 40, condition="beside r/large")]
    assert machines.spreads(rows) == []
    rows = [row("a", 10), row("a", 11), row("b", 10)]
    assert [one.training for one in machines.spreads(rows)] == ["r / m, beside r/small"]
    assert machines.spreads([*rows[:2], row("b", 9, energy_measured=False)]) == []
    assert machines.spreads([*rows[:2], row("b", 9, total_of="wall (by itself)")]) == []
    assert machines.spreads([*rows[:2], row("b", 9, warm_up=True)]) == []


def test_drawn_values_are_told_beside_a_spread() -> None:
    rows = [row(n, 10 + i, hyperparam_lr=i) for n in "ab" for i in range(2)]
    (found,) = machines.spreads(rows)
    assert found.drawn == ("lr",)
    assert "drawn values are part of it: lr" in machines.sentence(found)


def test_the_factor_of_a_calibration_is_to_the_first_machine() -> None:
    made = [
        machines.Calibration("a", 50.0, 12.0, 1000.0, 5.0, 400.0, True),
        machines.Calibration("b", 55.0, 11.0, 1100.0, 5.5, 420.0, True),
        machines.Calibration("c", None, None, None, None, None, True),
    ]
    first, second, third = machines.factors(made)
    assert (first.factor, first.factor_uncertainty) == (1.0, 0.0)
    assert second.factor == pytest.approx(1.1)
    assert second.factor_uncertainty == pytest.approx(1.1 * (0.005 + 0.005))
    assert third.factor is None
    guess = machines.Calibration("d", 50.0, 12.0, 600.0, 600.0, 1.0, False)
    dram = machines.Calibration("e", 50.0, 12.0, 900.0, 1.0, 1.0, True, ("cpu", "dram"))
    assert [one.factor for one in machines.factors([made[0], guess, dram])] == [1.0, None, None]
    assert "do not compare" in str(machines.factors([made[0], guess])[1].no_factor)
    found = machines.machines([row("a", 1.0, cpu="X")], made)
    assert [(one.name, one.runs) for one in found] == [("a", 1), ("b", 0), ("c", 0)]
    assert found[0].facts == {"cpu": "X"}
