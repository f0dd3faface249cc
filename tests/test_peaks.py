"""Peaks: the cache on disk, the roofline, the floor, and how ``doctor --peaks`` shows them."""

from __future__ import annotations

import dataclasses
import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

import harness.backends.cpu.peaks as cpu_peaks
from harness.backends.cpu.device import devices as cpu_devices
from harness.backends.cuda.datasheet import datasheet
from harness.cli import app
from harness.cli.peaks import peaks_table, per_second
from harness.device import Device
from harness.errors import DataError
from harness.peaks import ARITHMETICS, Bound, Peaks, Rate, bound, load_peaks, physical_floor_s, store_peaks

PEAKS = Peaks(
    "GPU-0a/1 MIG",
    "13.0",
    "2026-01-01T00:00:00+00:00",
    copy_bytes_per_s=4e12,
    read_bytes_per_s=4.5e12,
    rates=(Rate("f16", 800e12, 1.6e9), Rate("f32", 50e12)),
)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def test_what_is_kept_is_what_was_measured():
    assert load_peaks("GPU-0a/1 MIG", "13.0") is None
    path = store_peaks(PEAKS)
    assert load_peaks("GPU-0a/1 MIG", "13.0") == PEAKS
    assert [each.name for each in path.parent.iterdir()] == ["GPU-0a_1_MIG-13.0.json"]
    newer = dataclasses.replace(PEAKS, copy_bytes_per_s=1.0, read_bytes_per_s=None)
    store_peaks(newer)
    assert load_peaks("GPU-0a/1 MIG", "13.0") == newer


def test_another_device_or_driver_has_its_own_file():
    store_peaks(PEAKS)
    assert load_peaks("GPU-0a/1 MIG", "12.9") is None
    assert load_peaks("GPU-0b", "13.0") is None
    assert load_peaks("GPU-0a_1 MIG", "13.0") is None  # the same file name, another device inside


@pytest.mark.parametrize("change", [{"version": 0}, {"rates": [{"name": "f16"}]}, {"unknown": 1}, {"rates": None}])
def test_a_file_of_another_layout_counts_as_none(change):
    path = store_peaks(PEAKS)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert load_peaks(PEAKS.device, PEAKS.driver) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\x00"])
def test_an_unreadable_file_counts_as_none(text):
    store_peaks(PEAKS).write_text(text)
    assert load_peaks(PEAKS.device, PEAKS.driver) is None


def test_a_cache_that_cannot_be_written_is_said_so(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="HARNESS_CACHE"):
        store_peaks(PEAKS)


def test_memory_bound():
    # 4 GB over 4 TB/s is 1 ms; 80 Gop over 800 Top/s are 0.1 ms.
    found = bound(2e-3, 4_000_000_000, 80_000_000_000, "f16", PEAKS, held_clock_hz=0.8e9)
    assert found == Bound("memory", pytest.approx(0.5), pytest.approx(0.5))


def test_compute_bound_at_the_measured_and_at_the_held_clock():
    found = bound(2e-3, 4_000_000, 800_000_000_000, "f16", PEAKS, held_clock_hz=0.8e9)
    assert found == Bound("compute", pytest.approx(0.5), pytest.approx(1.0))


def test_a_faster_held_clock_can_make_the_memory_the_bound_of_the_held_share():
    # At the measured clock: memory 0.5 ms, operations 1 ms; at four times the clock the operations need 0.25 ms.
    found = bound(1e-3, 2_000_000_000, 800_000_000_000, "f16", PEAKS, held_clock_hz=6.4e9)
    assert found == Bound("compute", pytest.approx(1.0), pytest.approx(0.5))


@pytest.mark.parametrize(("arithmetic", "held"), [("f16", None), ("f32", 1.6e9)])
def test_without_a_clock_there_is_no_held_share(arithmetic, held):
    found = bound(1.0, 4, 1_000_000_000, arithmetic, PEAKS, held_clock_hz=held)
    assert found is not None and found.held_fraction is None and found.fraction_of_peak > 0


@pytest.mark.parametrize("arithmetic", [None, "f16"])
def test_no_operations_are_bound_by_memory_and_need_no_clock(arithmetic):
    found = bound(1e-3, 2_000_000_000, 0, arithmetic, PEAKS)
    assert found == Bound("memory", pytest.approx(0.5), pytest.approx(0.5))


def test_operations_whose_rate_is_not_known_have_no_bound():
    assert bound(1e-3, 4, 100, "int8", PEAKS) is None
    assert bound(1e-3, 4, 100, None, PEAKS) is None
    assert bound(1e-3, 0, 0, None, PEAKS) is None


def test_floor_of_operations_is_at_the_highest_clock():
    sheet = datasheet("NVIDIA H200")
    assert sheet is not None
    ops = 10**15
    rated = ops / 989.5e12
    at_boost = 0.98 * rated * 1830 / 1980
    assert physical_floor_s(None, ops, "f16", sheet) == pytest.approx(at_boost)
    assert physical_floor_s(None, ops, "f16", sheet, max_clock_hz=1.5e9) == pytest.approx(at_boost)
    assert physical_floor_s(None, ops, "f16", sheet, max_clock_hz=2.2e9) == pytest.approx(at_boost * 1980 / 2200)
    assert physical_floor_s(None, ops, "f32", sheet) == pytest.approx(0.98 * ops / 67e12)


def test_floor_of_cold_reads_and_the_longer_of_both():
    sheet = datasheet("NVIDIA H200")
    assert sheet is not None
    assert physical_floor_s(4_800_000_000, 0, None, sheet) == pytest.approx(0.98e-3)
    assert physical_floor_s(4_800_000_000, 67_000, "f32", sheet) == pytest.approx(0.98e-3)
    assert physical_floor_s(4_800, 67 * 10**9, "f32", sheet) == pytest.approx(0.98e-3)


def test_no_floor_where_nothing_is_known():
    sheet = datasheet("NVIDIA A100-SXM4-40GB")
    assert sheet is not None
    assert physical_floor_s(None, 0, "f16", sheet) is None
    assert physical_floor_s(None, 100, "fp8", sheet) is None
    assert physical_floor_s(0, 100, None, sheet) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(4.123e12, "4.12 TB/s"), (9.9e8, "990 MB/s"), (2.25e15, "2.25 PB/s"), (12.0, "12 B/s"), (None, "–")],
)
def test_per_second(value, text):
    assert per_second(value, "B/s") == text


def _shown(device: Device, peaks: Peaks) -> list[list[str]]:
    stream = io.StringIO()
    Console(file=stream, width=200).print(peaks_table(device, peaks, datasheet(device.model)))
    return [[cell for cell in line.split("  ") if cell.strip()] for line in stream.getvalue().splitlines()]


def test_table_beside_the_data_sheet():
    device = Device("cuda:0", "cuda", "NVIDIA H200", "sm_90a", 1 << 30)
    lines = [[cell.strip() for cell in line] for line in _shown(device, PEAKS)]
    assert lines[0] == ["cuda:0: NVIDIA H200"]
    assert lines[2] == ["copy, read and written", "4 TB/s", "4.8 TB/s", "83%", "–"]
    assert lines[3] == ["read", "4.5 TB/s", "4.8 TB/s", "94%", "–"]
    figures = {line[0]: line[1:] for line in lines[4:]}
    assert figures["f16 product"] == ["800 Top/s", "990 Top/s", "81%", "1600 MHz"]
    assert figures["int8 product"] == ["–", "1.98 Pop/s", "–", "–"]
    assert list(figures) == [f"{name} product" for name in ARITHMETICS]


def test_table_of_a_model_without_a_data_sheet_has_what_was_measured():
    device = Device("cuda:0", "cuda", "NVIDIA Something", "sm_90a", 1 << 30)
    lines = [line[0].strip() for line in _shown(device, dataclasses.replace(PEAKS, read_bytes_per_s=None))]
    assert lines[2:] == ["copy, read and written", "f32 product", "f16 product"]


@pytest.fixture
def small_cpu(monkeypatch):
    """Buffers and products that take no time, and no GPU."""
    monkeypatch.setattr(cpu_peaks, "copy_bytes", lambda: 1 << 16)
    monkeypatch.setattr(cpu_peaks.product_rate, "__defaults__", (32,))
    import harness.backends as backends

    row = backends.BACKENDS["cuda"]
    here = dataclasses.replace(row, devices=lambda: (), absence=lambda: "no NVIDIA driver found (libcuda.so.1)")
    monkeypatch.setitem(backends.BACKENDS, "cuda", here)


def test_doctor_measures_the_cpu_and_says_that_there_is_no_gpu(small_cpu):
    done = CliRunner().invoke(app, ["doctor", "--peaks"])
    assert done.exit_code == 0, done.output
    assert "cuda: no NVIDIA driver found" in done.output
    assert "copy, read and written" in done.output and "f32 product" in done.output
    assert "no data sheet of this model is known" in done.output


def test_doctor_measures_anew_and_keeps_it(small_cpu):
    (device,) = cpu_devices()
    old = Peaks(*cpu_peaks.identity(device), "2020-01-01T00:00:00+00:00", 1.0, None, ())
    store_peaks(old)
    done = CliRunner().invoke(app, ["doctor", "--peaks", "--json"])
    (shown,) = json.loads(done.stdout)
    kept = load_peaks(*cpu_peaks.identity(device))
    assert kept is not None and kept.copy_bytes_per_s == shown["copy_bytes_per_s"] > 1.0
    assert shown["rates"][0]["arithmetic"] == "f32" and shown["measured_at"] > old.measured_at


def test_what_is_in_the_cache_is_not_measured_again(monkeypatch):
    (device,) = cpu_devices()
    kept = Peaks(*cpu_peaks.identity(device), "2020-01-01T00:00:00+00:00", 1.0, None, ())
    store_peaks(kept)
    cpu_peaks.known_peaks.cache_clear()
    monkeypatch.setattr(cpu_peaks, "measure_peaks", lambda device: pytest.fail("measured"))
    assert cpu_peaks.known_peaks(device) == kept
    cpu_peaks.known_peaks.cache_clear()


def test_the_cpu_copies_every_byte():
    copy = cpu_peaks._Copy(8 * 1001)
    assert not copy.output()
    copy.launch()
    assert copy.output()


@pytest.mark.parametrize(
    ("cache", "memory", "expected"),
    [(32 << 20, 64 << 30, 256 << 20), (480 << 20, 64 << 30, (1920 << 20) + (1 << 20)), (480 << 20, 8 << 30, 1 << 30)],
)
def test_the_copied_buffer_is_larger_than_the_caches_or_an_eighth_of_the_memory(monkeypatch, cache, memory, expected):
    monkeypatch.setattr(cpu_peaks, "last_level_cache_bytes", lambda: cache)
    monkeypatch.setattr(cpu_peaks, "memory_limit", lambda: memory)
    assert cpu_peaks.copy_bytes() == expected
