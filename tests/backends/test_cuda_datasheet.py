"""Every data sheet row agrees with what its architecture does a clock, and with itself."""

from __future__ import annotations

import pytest

from harness.backends.cuda.datasheet import ARCHITECTURES, DATASHEETS, DataSheet, datasheet
from harness.peaks import ARITHMETICS

ROWS = [pytest.param(row, id=row.model) for row in DATASHEETS.values()]
_ROUNDING = 0.015  # sheets give two or three digits


@pytest.mark.parametrize("row", ROWS)
def test_rates_are_what_the_architecture_does_a_clock(row: DataSheet):
    does = ARCHITECTURES[row.architecture]
    a_clock = {
        "f32": 2 * does.f32_lanes,
        "tf32": does.f16_ops / 2,
        "f16": does.f16_ops,
        "bf16": does.f16_ops,
        "int8": does.int8_ops,
        "fp8": does.fp8_ops,
        "b1": 8 * does.int8_ops,
        "dp4a": does.dp4a_lanes and 8 * does.dp4a_lanes,
    }
    for arithmetic, rate in row.rates.items():
        expected = a_clock[arithmetic] * row.multiprocessors * row.rate_clock_hz(arithmetic)
        assert rate == pytest.approx(expected, rel=_ROUNDING), arithmetic
    assert set(row.rates) == {name for name, ops in a_clock.items() if ops}


@pytest.mark.parametrize("row", ROWS)
def test_rates_are_ordered(row: DataSheet):
    rates = row.rates
    assert set(rates) <= set(ARITHMETICS)
    assert rates["f32"] <= rates["tf32"] < rates["f16"] == rates["bf16"] < rates["int8"]
    assert rates["f16"] < rates.get("fp8", float("inf"))
    assert rates.get("fp8", 0.0) <= rates["int8"] * (1 + _ROUNDING)
    assert rates["f32"] < rates.get("dp4a", float("inf")) * 4 and rates.get("dp4a", 0.0) < rates["int8"]


@pytest.mark.parametrize("row", ROWS)
def test_the_other_figures_are_of_the_right_size_and_the_source_is_named(row: DataSheet):
    assert 0.2e12 < row.memory_bytes_per_s < 10e12
    assert 1e9 < row.tensor_clock_hz <= row.boost_clock_hz < 3e9
    assert 50 <= row.power_w <= 1200
    assert row.source.startswith("NVIDIA ") and any(word in row.source for word in ("data sheet", "whitepaper"))
    assert all(row.highest_rate(name) >= rate for name, rate in row.rates.items())


def test_hopper_row_as_published():
    row = datasheet("NVIDIA H100 80GB HBM3")
    assert row is not None
    assert (row.rates["f16"], row.rates["int8"], row.memory_bytes_per_s) == (989.4e12, 1978.9e12, 3.352e12)
    assert row.rates["dp4a"] == 132 * 64 * 8 * 1.98e9
    assert row.highest_rate("f16") == pytest.approx(989.4e12 * 1980 / 1830)
    assert row.highest_rate("dp4a", 1.755e9) == row.rates["dp4a"]


def test_a_mig_instance_has_the_cards_row_and_others_are_unknown():
    assert datasheet("NVIDIA H100 80GB HBM3 MIG 1g.10gb") is DATASHEETS["NVIDIA H100 80GB HBM3"]
    assert datasheet("NVIDIA H100") is None
    assert datasheet("Intel(R) Xeon(R) Processor") is None
    assert DATASHEETS["NVIDIA A100-SXM4-80GB"].highest_rate("fp8") is None
