"""Which GPUs the settings or CUDA_VISIBLE_DEVICES mean, also where they are split or differ."""

from __future__ import annotations

import pytest

from energyctl.errors import SettingsError
from energyctl.meters.nvml.selection import VisibleGpu, named, visible

SPLIT = [
    VisibleGpu(0, "GPU-aa11", "A100"),
    VisibleGpu(1, "GPU-bb22", "A100", mig=("MIG-cc01", "MIG-cc02", "MIG-dd03")),
]
DIFFERENT = [
    VisibleGpu(0, "GPU-aa11", "T400"),
    VisibleGpu(1, "GPU-bb22", "A100"),
    VisibleGpu(2, "GPU-cc33", "A100"),
]


@pytest.mark.parametrize(
    ("value", "indices"),
    [
        ("MIG-cc02", [1]),
        ("MIG-dd", [1]),
        ("MIG-cc01,MIG-dd03", [1]),
        ("MIG-cc", [1]),
        ("MIG-GPU-bb22/1/0", [1]),
        ("MIG-GPU-bb22/1/0,GPU-aa11", [0, 1]),
    ],
)
def test_a_mig_device_means_the_gpu_that_it_is_a_part_of(value: str, indices: list[int]) -> None:
    assert visible(SPLIT, value) == (indices, ())
    assert named(SPLIT, value.split(",")) == (indices, ())


def test_a_mig_device_that_is_not_there_is_refused_in_the_settings() -> None:
    with pytest.raises(SettingsError, match="there is no GPU MIG-ee"):
        named(SPLIT, ["MIG-ee"])


@pytest.mark.parametrize("value", ["1,9,0", "1,MIG-ee,0", "1,GPU-zz"])
def test_what_cuda_ignores_is_named(value: str) -> None:
    indices, (warning,) = visible(SPLIT, value)
    assert indices == [1]
    assert value.split(",")[1] in warning
    assert "CUDA ignores it and all that follows" in warning


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles", "0,1"])
def test_hiding_all_gpus_or_naming_them_is_no_reason_for_a_warning(value: str) -> None:
    assert visible(SPLIT, value).warnings == ()


def test_numbers_may_mean_other_gpus_for_cuda_where_gpus_differ() -> None:
    indices, (warning,) = visible(DIFFERENT, "0")
    assert indices == [0]
    assert "A100, T400" in warning
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in warning
    assert '"gpus"' in warning
    assert visible(DIFFERENT, "0", "FASTEST_FIRST").warnings


@pytest.mark.parametrize(
    ("known", "value", "order"),
    [
        (DIFFERENT, "0", "PCI_BUS_ID"),
        (DIFFERENT, "GPU-aa11", None),
        (DIFFERENT, "2,1,0", None),
        (DIFFERENT, "", None),
        (SPLIT, "0", None),
    ],
)
def test_the_order_is_no_matter_where_it_changes_nothing(
    known: list[VisibleGpu], value: str, order: str | None
) -> None:
    assert visible(known, value, order).warnings == ()
