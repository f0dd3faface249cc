"""What tests of backends share."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from fake_nvml import BUS_IDS, FakeNvml

import harness.backends.cuda.gpu_facts as gpu_facts
import harness.backends.cuda.nvml as nvml


@pytest.fixture
def nvml_of(monkeypatch):
    """Makes this machine one with the given answers on its first CUDA device, and others on its second."""

    def make(answers: dict[str, Any], second: dict[str, Any] | None = None, **more: Any) -> FakeNvml:
        fake = FakeNvml({"0000:1A:00.0": second or {}, "0000:3B:00.0": answers}, **more)
        monkeypatch.setitem(sys.modules, "pynvml", fake)
        monkeypatch.setattr(nvml, "pci_bus_id", lambda device: BUS_IDS[device.name])
        _forget()
        return fake

    _forget()
    yield make
    _forget()


def _forget() -> None:
    nvml.library.cache_clear()
    nvml.gpu.cache_clear()
    gpu_facts.facts.cache_clear()
