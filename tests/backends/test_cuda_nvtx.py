"""NVTX ranges: pushed and popped in order with cupy, nothing without it."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from harness.backends.cuda import nvtx


@pytest.fixture(autouse=True)
def _forget():
    nvtx._nvtx.cache_clear()
    yield
    nvtx._nvtx.cache_clear()


@pytest.fixture
def calls(monkeypatch):
    """What a stand-in for cupy.cuda.nvtx is asked."""
    seen: list[str] = []
    binding = ModuleType("cupy.cuda.nvtx")
    binding.available = True
    binding.RangePush = lambda name: seen.append(f"push {name}")
    binding.RangePop = lambda: seen.append("pop")
    cuda = ModuleType("cupy.cuda")
    cuda.nvtx = binding
    monkeypatch.setitem(sys.modules, "cupy", ModuleType("cupy"))
    monkeypatch.setitem(sys.modules, "cupy.cuda", cuda)
    return seen


def test_ranges_nest(calls):
    with nvtx.nvtx_range("case"):
        with nvtx.nvtx_range("prepare"):
            calls.append("work")
        with nvtx.nvtx_range("time"):
            pass
    assert calls == ["push case", "push prepare", "work", "pop", "push time", "pop", "pop"]


def test_an_exception_ends_its_range(calls):
    with pytest.raises(ValueError, match="of the work"), nvtx.nvtx_range("case"):
        raise ValueError("of the work")
    assert calls == ["push case", "pop"]


def test_a_cupy_without_nvtx_marks_nothing(calls):
    sys.modules["cupy.cuda"].nvtx.available = False
    with nvtx.nvtx_range("case"):
        calls.append("work")
    assert calls == ["work"]


def test_without_cupy_the_work_is_done_all_the_same(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setitem(sys.modules, "cupy.cuda", None)
    done = []
    with nvtx.nvtx_range("case"):
        done.append("work")
    assert done == ["work"]
    with pytest.raises(ValueError, match="passes through"), nvtx.nvtx_range("case"):
        raise ValueError("passes through")
