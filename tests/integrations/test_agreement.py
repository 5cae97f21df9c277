"""What is claimed of runs that were done again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from energyctl.integrations.bundle.agreement import (
    Agreement,
    agreements,
    changed_versions,
    other_machine,
)
from energyctl.results import api
from energyctl.results.api import Run
from written_results import write_runs


def runs(folder: Path, joules: list[float], **changes: Any) -> list[Run]:
    return list(api.load(write_runs(folder, "default", joules, **changes)))


def judged(tmp_path: Path, before: list[float], after: list[float], **changes: Any) -> Agreement:
    """Runs with a band of ± 1 J each; *changes* of those that were done again."""
    originals = runs(tmp_path / "before", before)
    again = runs(tmp_path / "after", after, **changes)
    pairs = list(zip(originals, again, strict=True))
    (found,) = agreements(pairs, other_machine(originals, again))
    return found


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        # bands 1 + 1 J, and 12.706 × 0.7071 / √2 = 6.35 J of spread: 8.35 of 100 J
        ([100.0, 100.0], [104.0, 105.0], "agrees within 8.4 %"),
        ([100.0, 100.0], [110.0, 111.0], "differs by 10.5 % (more than 8.4 %)"),
        ([100.0], [101.9], "agrees within 2.0 %"),
        (
            [100.0],
            [103.0],
            "cannot be told: it differs by 3.0 %, more than the meters' bands of 2.0 %, and one "
            "run tells no run-to-run spread",
        ),
        # values differ from run to run: what counts is each run's own difference
        ([100.0, 300.0, 900.0], [101.0, 301.0, 901.0], "agrees within 0.5 %"),
        ([1.0, 1.5], [1.0, 1.5], "cannot be told: bands and spread are as wide as the energy"),
    ],
)
def test_a_difference_is_held_against_bands_and_spread(
    tmp_path: Path, before: list[float], after: list[float], words: str
) -> None:
    assert judged(tmp_path, before, after).words.startswith(words)


def test_nothing_is_claimed_of_another_machine(tmp_path: Path) -> None:
    found = judged(tmp_path, [100.0] * 2, [100.0] * 2, environment={"hostname": "b", "cpu": "X"})
    assert found.words == "cannot be told: another machine: CPU X, not None"
    assert found.difference == 0.0
    host = judged(tmp_path / "host", [100.0] * 2, [100.0] * 2, environment={"hostname": "b"})
    assert host.words == "cannot be told: another specimen or host: host b, not node"


def test_nothing_is_claimed_of_estimates_failures_and_other_domains(tmp_path: Path) -> None:
    originals = runs(tmp_path / "before", [100.0, 100.0])
    energy = {**originals[0].result["energy"], "measured": False}  # type: ignore[dict-item]
    estimated = judged(tmp_path / "a", [100.0], [100.0], energy=energy)
    assert estimated.words == "cannot be told: a part of the energy is an estimate"
    assert estimated.measured == (True, False)
    failed = judged(tmp_path / "b", [100.0], [100.0], status="failed")
    assert (failed.n, failed.verdict) == (0, "cannot be told")
    domains = [{**originals[0].result["energy"]["domains"][0], "name": "gpu-1"}]  # type: ignore[index]
    other = {**originals[0].result["energy"], "domains": domains}  # type: ignore[dict-item]
    moved = judged(tmp_path / "c", [100.0], [100.0], energy=other)
    assert moved.words == "cannot be told: the totals are of other domains"


def test_versions_that_changed_are_told(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"hostname": "node", "kernel": "6.1", "gpus": [{"driver": "550"}]}
    before = runs(tmp_path / "before", [1.0], environment=facts)
    facts = {**facts, "gpus": [{"driver": "570"}]}
    after = runs(tmp_path / "after", [1.0], environment=facts)
    assert changed_versions(before, after) == ["driver: 550 then, 570 now"]
