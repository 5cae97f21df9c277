"""Places of trainings: what they may hold, which of two wins, and what a training is told."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from energyctl.config.places import Place, Placed, PlacedGpu
from energyctl.launchers.cpu_list import cpus_of, written


@pytest.mark.parametrize(
    ("text", "cpus"), [("0", [0]), ("0-2", [0, 1, 2]), ("0-1,16", [0, 1, 16]), ("3,3", [3, 3])]
)
def test_cpus_are_read_in_the_form_of_the_kernel(text: str, cpus: list[int]) -> None:
    assert cpus_of(text) == cpus
    assert cpus_of(written(set(cpus))) == sorted(set(cpus))
    assert Place(cpus=text).cpus == text


@pytest.mark.parametrize(
    "cpus", ["", "7-0", "0-", "-1", "all", "0 1", "0,", "0-99999999999", "0:1", "٣", 3, [0], True]
)
def test_what_is_no_list_of_cpus_is_refused(cpus: Any) -> None:
    with pytest.raises(ValidationError):
        Place.model_validate({"cpus": cpus})


@pytest.mark.parametrize("gpus", [1, "0", [-1], [True], [""], [1.0], {"0": 1}])
def test_what_is_no_list_of_gpus_is_refused(gpus: Any) -> None:
    with pytest.raises(ValidationError):
        Place.model_validate({"gpus": gpus})


def test_a_range_of_cpus_is_written_as_short_as_the_kernel_does() -> None:
    assert written({0, 1, 2, 3, 7, 9, 10}) == "0-3,7,9-10"
    assert written(set()) == ""


def test_what_a_place_leaves_out_is_that_of_the_other() -> None:
    first, other = Place(gpus=(1,)), Place(gpus=(0,), cpus="0-3")
    assert first.or_else(other) == Place(gpus=(1,), cpus="0-3")
    assert Place(gpus=()).or_else(other).gpus == ()  # none is not the same as not told
    assert first.or_else(None) == first


def test_a_place_in_words() -> None:
    assert Place(gpus=(1, "GPU-8f"), cpus="0-7").words == "GPU 1, GPU-8f, CPUs 0-7"
    assert Place(gpus=()).words == "no GPU"
    assert Place().words == ""


def test_a_training_is_told_uuids_in_the_order_of_its_place() -> None:
    gpus = (PlacedGpu(1, "GPU-b"), PlacedGpu(0, "GPU-a"))
    assert Placed(gpus).environment == {"CUDA_VISIBLE_DEVICES": "GPU-b,GPU-a"}
    assert Placed(()).environment == {"CUDA_VISIBLE_DEVICES": ""}
    assert Placed(cpus="0").environment == {}
    assert not Placed()
    assert Placed(())
