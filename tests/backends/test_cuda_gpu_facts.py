"""What stays the same of a GPU, who else uses it, and what the environment and doctor make of both."""

from __future__ import annotations

import os
import subprocess
import sys

import pynvml
from fake_nvml import ANSWERS, BUS_IDS, CPU, GPU, SECOND

from harness.backends.cuda.gpu_facts import GpuFacts, GpuProcess, facts, is_own, other_processes
from harness.cli.gpu_findings import gpu_findings
from harness.environment import environment_of


def test_facts(nvml_of):
    nvml_of(ANSWERS)
    assert facts(GPU) == GpuFacts(
        uuid="GPU-3b",
        driver_version="580.159.04",
        nvml_version="13.580.159.04",
        ecc=True,
        mig=False,
        persistence=False,
        compute_mode="exclusive_process",
        power_limit_w=650.0,
        max_power_limit_w=700.0,
        max_sm_clock_hz=1.98e9,
        applications_sm_clock_hz=1.98e9,
        applications_memory_clock_hz=2.619e9,
    )


def _process(pid: int, memory: int | None) -> pynvml.nvmlFriendlyObject:
    return pynvml.nvmlFriendlyObject({"pid": pid, "usedGpuMemory": memory})


def test_other_processes_are_not_ones_own(nvml_of):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        own = (os.getpid(), os.getppid(), child.pid)
        listed = [_process(pid, 1 << 20) for pid in own] + [_process(1 << 30, 3 << 30), _process((1 << 30) + 1, None)]
        nvml_of({"nvmlDeviceGetComputeRunningProcesses_v3": listed})
        assert other_processes(GPU) == (GpuProcess(1 << 30, 3 << 30), GpuProcess((1 << 30) + 1, None))
        assert len(other_processes(GPU, own=lambda pid: False)) == 5
    finally:
        child.communicate(b"\n")


def test_a_child_of_a_child_is_not_ones_own():
    program = "import subprocess, sys; p = subprocess.Popen(['cat'], stdin=subprocess.PIPE); print(p.pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert (is_own(child.pid), is_own(grandchild)) == (True, False)
        child.communicate("\n")


def test_columns_of_the_environment(nvml_of, monkeypatch):
    nvml_of({**ANSWERS, "nvmlDeviceGetComputeRunningProcesses_v3": [_process(1 << 30, None), _process(5 << 28, 1)]})
    wanted = {
        "driver_version": "580.159.04",
        "nvml_version": "13.580.159.04",
        "gpu_uuid": "GPU-3b",
        "ecc": "on",
        "mig": "off",
        "power_limit_w": "650",
        "other_gpu_processes": "2 (1073741824, 1342177280)",
    }
    assert {name: environment_of(GPU)[name] for name in wanted} == wanted
    assert {environment_of(CPU)[name] for name in wanted} == {None}


def test_doctor_on_a_gpu_that_tells_all(nvml_of):
    nvml_of(
        {**ANSWERS, "nvmlDeviceGetComputeRunningProcesses_v3": [_process(1 << 30, 3 << 29), _process(5 << 28, None)]}
    )
    lines = {line.what: (line.found, line.remedy) for line in gpu_findings([GPU])}
    assert lines == {
        "cuda:0 now": ("SM 1755 MHz, memory 2619 MHz, 412 W, 61 °C, clocks held down by sw_power_cap", ""),
        "cuda:0 modes": (
            "driver 580.159.04, ECC on, MIG off, persistence mode off, compute mode exclusive_process, power limit 650 W, "
            "SM clock at most 1980 MHz, applications clocks: SM 1980 MHz, memory 2619 MHz",
            "",
        ),
        "cuda:0 steadier": (
            "an administrator could lock the SM clock at one that the GPU holds under load: "
            "nvidia-smi -i GPU-3b -lgc MHZ (at most 1980), undone by -rgc; "
            "keep the driver loaded between runs: nvidia-smi -i GPU-3b -pm 1; "
            "raise the power limit, which lowers clocks under load: nvidia-smi -i GPU-3b -pl 700; "
            "the harness itself changes no clock and no limit",
            "",
        ),
        "cuda:0 processes": (
            "2 of others: 1073741824 (1.5 GiB), 1342177280",
            "end them, or measure on another device: they change what is measured",
        ),
    }


def test_doctor_on_a_gpu_that_is_set_well_or_tells_little(nvml_of):
    nvml_of({**ANSWERS, "nvmlDeviceGetPersistenceMode": 1, "nvmlDeviceGetEnforcedPowerLimit": 700_000}, {})
    lines = {line.what: line.found for line in gpu_findings([GPU, SECOND])}
    for name in (GPU.name, SECOND.name):
        assert "-lgc" in lines[f"{name} steadier"]
        assert not any(option in lines[f"{name} steadier"] for option in ("-pm", "-pl"))
    assert lines["cuda:1 now"] == "not told"
    assert "cuda:0 processes" not in lines


def test_doctor_where_nvml_is_missing(nvml_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    (line,) = gpu_findings([GPU, SECOND])
    assert (line.what, line.remedy) == ("nvml", "pip install nvidia-ml-py")
    assert list(gpu_findings([])) == []


def test_doctor_on_a_gpu_that_nvml_does_not_show(nvml_of, monkeypatch):
    nvml_of(ANSWERS)
    monkeypatch.setitem(BUS_IDS, GPU.name, "0000:FF:00.0")
    (line,) = gpu_findings([GPU])
    assert (line.what, line.found) == ("cuda:0", "NVML does not show this GPU: no clocks, power and temperature")
