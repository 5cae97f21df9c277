"""Which AMD GPUs are metered, by the names that users have for them; and what holds clocks down."""

from __future__ import annotations

import pytest

from energyctl.errors import SettingsError
from energyctl.meters.amdsmi.known import KnownGpu, energy_units, select
from energyctl.meters.amdsmi.library import number
from energyctl.meters.amdsmi.limits import Limits


def gpu(index: int, primary: int | None = None, *, integrated: bool = False) -> KnownGpu:
    return KnownGpu(
        index,
        None,
        f"0000:{index}3:00.0",
        f"{index}aff74a1-0000-1000-8000-000000000000",
        f"GPU-{index}000000000000000",
        primary=primary,
        integrated=integrated,
    )


KNOWN = [gpu(0), gpu(1), gpu(2), gpu(3)]
DIES = [gpu(0), gpu(1, primary=0), gpu(2), gpu(3, primary=2)]


def chosen(known: list[KnownGpu], gpus: list[int | str] | None = None, **environ: str) -> list[int]:
    return [one.index for one in select(known, gpus, environ)]


@pytest.mark.parametrize(
    ("gpus", "indices"),
    [
        ([2, 0], [0, 2]),
        (["3"], [3]),
        (["0000:13:00.0"], [1]),
        (["2aff74a1"], [2]),
        (["GPU-3000000000000000"], [3]),
        ([], []),
    ],
)
def test_a_gpu_is_named_by_index_address_or_uuid(gpus: list[int | str], indices: list[int]) -> None:
    assert chosen(KNOWN, gpus) == indices


@pytest.mark.parametrize("name", [4, "GPU-", "0000:99:00.0"])
def test_a_name_of_no_gpu_or_of_several_is_refused(name: int | str) -> None:
    with pytest.raises(SettingsError, match=r'"gpus": .*3 \(0000:33:00.0 3aff'):
        chosen(KNOWN, [name])


@pytest.mark.parametrize(
    ("environ", "indices"),
    [
        ({}, [0, 1, 2, 3]),
        ({"HIP_VISIBLE_DEVICES": "2,0"}, [0, 2]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, [1]),
        ({"CUDA_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "3"}, [3]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-3000000000000000,1"}, [1, 3]),
        # HIP counts what ROCr has left, in its order.
        ({"ROCR_VISIBLE_DEVICES": "3,1", "HIP_VISIBLE_DEVICES": "0"}, [3]),
        ({"HIP_VISIBLE_DEVICES": "1,9,2"}, [1]),
        ({"HIP_VISIBLE_DEVICES": "-1"}, []),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
    ],
)
def test_without_names_the_environment_chooses_as_hip_does(
    environ: dict[str, str], indices: list[int]
) -> None:
    assert chosen(KNOWN, **environ) == indices


@pytest.mark.parametrize("die", [2, 3])
def test_one_die_of_a_module_stands_for_both(die: int) -> None:
    assert chosen(DIES, [die]) == [2, 3]
    assert chosen(DIES, HIP_VISIBLE_DEVICES=str(die)) == [2, 3]


def test_hip_counts_a_part_of_a_cpu_and_it_is_not_metered() -> None:
    known = [gpu(0, integrated=True), gpu(1)]
    assert chosen(known) == [1]
    assert chosen(known, HIP_VISIBLE_DEVICES="0,1") == [1]


@pytest.mark.parametrize("told", ["N/A", None, True, 0xFFFF, 0xFFFFFFFF, 2**64 - 1])
def test_what_is_not_told_is_no_number(told: object) -> None:
    assert number(told) is None


def test_the_key_of_a_counter_was_another_one_before() -> None:
    assert energy_units({"energy_accumulator": 7}) == energy_units({"power": 7}) == 7
    assert energy_units({"energy_accumulator": 2**64 - 1}) == energy_units({"power": "N/A"}) == 0


def test_sums_that_grow_tell_which_limit_acts() -> None:
    limits = Limits()
    told = {"ppt_residency_acc": 5, "socket_thm_residency_acc": 3, "hbm_thm_residency_acc": "N/A"}
    assert limits.of(told) is None  # at the first look nothing has grown yet
    assert limits.of(told) == ()
    assert limits.of(told | {"ppt_residency_acc": 6}) == ("power_cap",)
    grown = {"ppt_residency_acc": 7, "socket_thm_residency_acc": 4, "vr_thm_residency_acc": 9}
    assert limits.of(grown) == ("power_cap", "heat")


@pytest.mark.parametrize(
    ("told", "limits"),
    [
        ({"indep_throttle_status": True, "throttle_status": False}, ("slowdown",)),
        ({"indep_throttle_status": "N/A", "throttle_status": False}, ()),
        ({"indep_throttle_status": "N/A"}, None),
        ({"indep_throttle_status": 2**64 - 1, "throttle_status": 2**32 - 1}, None),
        ({"indep_throttle_status": 0xFFFF, "throttle_status": 0}, ()),
        ({"throttle_status": 1}, ("slowdown",)),
    ],
)
def test_where_there_are_no_sums_the_cause_is_not_told(
    told: dict[str, object], limits: tuple[str, ...] | None
) -> None:
    assert Limits().of(told) == limits
