"""What is said where there is no CUDA device to use, in every state that a machine can be in; and which device is found."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

import harness.backends as backends
import harness.backends.cuda.compiler as compiler
import harness.backends.cuda.device as cuda_device
import harness.backends.cuda.probe as probe
from harness.backends import BACKENDS, find_device
from harness.backends.cuda.probe import Driver, absence, ask_driver
from harness.cli import doctor
from harness.cli.progress import describe_device
from harness.device import Device
from harness.errors import CompileError, DeviceError

GPU = Device("cuda:0", "cuda", "NVIDIA H100", "sm_90a", 70 << 30)
SECOND = dataclasses.replace(GPU, name="cuda:1")

# Driver, major version of the installed packages, what is found, its remedy; together they are the absence.
STATES = {
    "no driver": (None, None, "no NVIDIA driver found (libcuda.so.1)", ""),
    "a driver that does not start": (
        Driver(0, (13, 0), 803),
        13,
        "NVIDIA driver: must initialise (got CUDA error 803)",
        "see that its kernel module is loaded and of the library's version (nvidia-smi), or reboot",
    ),
    "no GPU": (Driver(0, (13, 0)), 13, "NVIDIA driver found, but no GPU", "check CUDA_VISIBLE_DEVICES"),
    "an old driver": (
        Driver(1, (11, 8)),
        None,
        "NVIDIA driver: must support CUDA 12.0 or newer (got 11.8, with 1 GPU)",
        "update the driver to 525 or newer, 580 for CUDA 13",
    ),
    "no packages, driver 13": (
        Driver(1, (13, 0)),
        None,
        "1 GPU found, but not the packages to use it",
        "pip install '.[cuda13]'",
    ),
    "no packages, driver 12": (
        Driver(2, (12, 4)),
        None,
        "2 GPUs found, but not the packages to use them",
        "pip install '.[cuda12]'",
    ),
    "packages too new for the driver": (
        Driver(1, (12, 4)),
        13,
        "NVIDIA driver: must support CUDA 13.0 for the installed packages (got 12.4, with 1 GPU)",
        "update the driver, or pip install '.[cuda12]' in a fresh environment",
    ),
    "all is well": (Driver(1, (13, 0)), 13, None, ""),
    "older packages on a newer driver": (Driver(1, (13, 1)), 12, None, ""),
}
states = pytest.mark.parametrize("state", STATES)


def _said(state: str) -> str | None:
    _, _, found, remedy = STATES[state]
    return f"{found}; {remedy}" if remedy else found


class Library:
    """A driver's library: version as the driver spells it, the GPUs, and what its functions return."""

    def __init__(self, version: int, gpus: int = 0, *, init: int = 0, count: int = 0) -> None:
        self._version, self._gpus, self._init, self._count = version, gpus, init, count
        self.called: list[str] = []

    def cuDriverGetVersion(self, number):
        self.called.append("version")
        number._obj.value = self._version
        return 0

    def cuInit(self, flags):
        assert flags == 0
        self.called.append("init")
        return self._init

    def cuDeviceGetCount(self, number):
        self.called.append("count")
        number._obj.value = self._gpus
        return self._count


@pytest.mark.parametrize(
    ("library", "found", "spelled"),
    [
        (Library(13000, 8), Driver(8, (13, 0)), "13.0"),
        (Library(12040, 1), Driver(1, (12, 4)), "12.4"),
        (Library(11080, 1), Driver(1, (11, 8)), "11.8"),
        (Library(13000, init=803), Driver(0, (13, 0), 803), "13.0"),
        (Library(13000, init=100), Driver(0, (13, 0)), "13.0"),
        (Library(13000, count=100), Driver(0, (13, 0)), "13.0"),
        (Library(13000, count=3), Driver(0, (13, 0), 3), "13.0"),
        (Library(13000, 0), Driver(0, (13, 0)), "13.0"),
    ],
)
def test_the_driver_is_asked(library, found, spelled):
    assert ask_driver(library) == found
    assert found.spelled == spelled


def test_a_driver_that_does_not_start_is_asked_no_more():
    library = Library(13000, 1, init=803)
    ask_driver(library)
    assert library.called == ["version", "init"]


@states
def test_absence(state):
    found, major, _, _ = STATES[state]
    assert absence(found, major) == _said(state)


@pytest.mark.parametrize("missing", ["cuda.core", "cuda.bindings", "cupy", None])
def test_the_packages_count_together(monkeypatch, missing):
    monkeypatch.setattr(probe.importlib.util, "find_spec", lambda name: None if name == missing else object())
    monkeypatch.setattr(probe.importlib.metadata, "version", {"cuda-bindings": "13.0.3"}.__getitem__)
    assert probe.installed_major() == (13 if missing is None else None)


def test_no_packages_at_all(monkeypatch):
    def find_spec(name: str) -> object:
        raise ModuleNotFoundError("No module named 'cuda'")

    monkeypatch.setattr(probe.importlib.util, "find_spec", find_spec)
    assert probe.installed_major() is None


@pytest.fixture
def on_a_machine(monkeypatch):
    """Makes this machine one in the state given, as far as the backends can tell."""

    def make(state: str) -> str | None:
        found, _, text, _ = STATES[state]
        monkeypatch.setattr(probe, "driver", lambda: found)
        monkeypatch.setattr(cuda_device, "problem", lambda: _said(state))
        there = (GPU,) if text is None else ()
        monkeypatch.setitem(BACKENDS, "cuda", dataclasses.replace(BACKENDS["cuda"], devices=lambda: there))
        return _said(state)

    return make


@states
def test_devices_are_found_where_nothing_is_amiss(on_a_machine, state):
    said = on_a_machine(state)
    if said is None:
        assert find_device("auto") == find_device("cuda") == find_device("cuda:0") == GPU
        return
    assert find_device("auto").backend == "cpu"
    for wanted in ("cuda", "cuda:0", "cuda:7"):
        with pytest.raises(DeviceError) as caught:
            find_device(wanted)
        assert (
            str(caught.value) == f"--device: must be a device that is here (got {wanted}: {said}); or use --device cpu"
        )


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("nosuch", "--device: must be a device that is here (got 'nosuch'); known: cpu, cuda:0, cuda:1"),
        ("cuda:2", "--device: must be a device that is here (got 'cuda:2'); did you mean cuda:1?"),
        ("cpuu", "--device: must be a device that is here (got 'cpuu'); did you mean cpu?"),
    ],
)
def test_a_device_that_is_not_among_those_here(monkeypatch, wanted, words):
    row = dataclasses.replace(BACKENDS["cuda"], devices=lambda: (GPU, SECOND), absence=lambda: None)
    monkeypatch.setattr(backends, "BACKENDS", {"cuda": row, "cpu": BACKENDS["cpu"]})
    assert find_device("cuda") == find_device("auto") == GPU
    assert find_device("cuda:1") == SECOND
    assert find_device("cpu").backend == "cpu"
    with pytest.raises(DeviceError) as caught:
        find_device(wanted)
    assert str(caught.value) == words


def test_devices_of_this_machine():
    """Whatever it has: a GPU is used where the probe sees nothing amiss, and not otherwise."""
    assert find_device("auto").backend == ("cuda" if probe.problem() is None else "cpu")
    assert find_device("cpu").name == "cpu"
    with pytest.raises(DeviceError, match=r"\(got 'nosuch'\)"):
        find_device("nosuch")


@states
def test_the_progress_line_says_why_no_gpu_is_used(on_a_machine, state):
    said = on_a_machine(state)
    cpu = find_device("cpu")
    assert describe_device(cpu) == f"no GPU in use ({said or 'not asked for'}): running on the CPU ({cpu.model})"
    assert describe_device(GPU) == "running on cuda:0 (NVIDIA H100)"


@states
def test_doctor_says_what_is_missing_and_how_to_mend_it(on_a_machine, state):
    on_a_machine(state)
    _, _, text, remedy = STATES[state]
    lines = [(line.what, line.found, line.remedy) for line in doctor._devices() if line.area == "device"]
    assert lines[-1 if text is None else -2][0] == "cpu"
    if text is None:
        assert lines[0] == ("cuda:0", "NVIDIA H100, 70.0 GiB for cases, no features", "")
        assert len(lines) == 2
    else:
        assert lines[-1] == ("cuda", f"{text}; suites run on the CPU", remedy)


@states
def test_doctor_offers_a_compiler_where_there_is_a_gpu_for_it(on_a_machine, monkeypatch, state):
    on_a_machine(state)

    def absent() -> tuple[int, int]:
        raise CompileError("NVRTC: must be installed (got: nothing); pip install '.[cuda13]' (or cuda12)")

    monkeypatch.setattr(compiler, "nvrtc_version", absent)
    (line,) = [line for line in doctor._devices() if line.area == "compiler"]
    driver = STATES[state][0]
    assert line.found == "NVRTC: must be installed (got: nothing)"
    assert line.remedy == ("pip install '.[cuda13]' (or cuda12)" if driver is not None and driver.gpus else "")


def test_doctor_names_the_compiler_and_its_headers(monkeypatch):
    monkeypatch.setattr(compiler, "nvrtc_version", lambda: (13, 0))
    monkeypatch.setattr("harness.backends.cuda.headers.header_folder", lambda name: f"/there/for/{name}")
    (line,) = [line for line in doctor._devices() if line.area == "compiler"]
    assert (line.what, line.found, line.remedy) == ("nvrtc", "13.0, headers in /there/for/mma.h", "")


@pytest.mark.parametrize(
    ("major", "minor", "name"), [(8, 0, "sm_80"), (8, 9, "sm_89"), (9, 0, "sm_90a"), (12, 0, "sm_120a")]
)
def test_a_device_as_planning_knows_it(monkeypatch, major, minor, name):
    device = SimpleNamespace(device_id=3, name="NVIDIA X", compute_capability=SimpleNamespace(major=major, minor=minor))
    monkeypatch.setattr(cuda_device, "_total_memory", lambda index: 1000)
    assert cuda_device._describe(device, 1 << 40) == Device("cuda:3", "cuda", "NVIDIA X", name, 900)
    assert cuda_device._describe(device, 500).memory_bytes == 500
