"""Measured peaks on a device: the sum of the read kernel, and figures between half and all of the data sheet's."""

from __future__ import annotations

import numpy as np
import pytest

from harness.backends.cuda.datasheet import datasheet
from harness.backends.cuda.peaks import Read, measure_peaks
from harness.peaks import load_peaks


def test_every_word_is_read(device):
    kernel = Read(device)
    kernel.launch()
    assert kernel.output() == int(kernel.values.sum(dtype=np.uint64)) % 2**32


def test_peaks_are_within_the_data_sheet(device, monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    peaks = measure_peaks(device)
    assert load_peaks(peaks.device, peaks.driver) == peaks
    assert {"f32", "f16", "bf16"} <= {rate.arithmetic for rate in peaks.rates}
    sheet = datasheet(device.model)
    if sheet is None:
        pytest.skip(f"no data sheet of {device.model}")
    for measured in (peaks.copy_bytes_per_s, peaks.read_bytes_per_s):
        assert 0.7 < measured / sheet.memory_bytes_per_s < 1.02
    for rate in peaks.rates:
        assert 0.4 < rate.ops_per_s / sheet.highest_rate(rate.arithmetic) < 1.02, rate
