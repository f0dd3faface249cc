"""The same kernels timed by this harness, by NVBench (``cuda-bench``) and by ``triton.testing.do_bench``, in one process.

``python tests/gpu/instruments.py`` prints the table (``… instruments.py copy``: of kernels with that in their names). Like
with like: all three launch the same kernel object on one set of operands, one launch a sample, after writing over the cache.
The harness rests for three times what it ran, so that clocks stay high, and NVBench is made to do so too (the launch that it
asks for waits on the host, which it does not time); do_bench does not rest. What the harness measures by its own choice
(operands in turn, graphs for kernels under 200 µs) stands in a column of its own. ``python tests/gpu/instruments.py rests``
prints what rests between rounds do to clock and power.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.backends.cuda.cooling import Flush, Hot
from harness.backends.cuda.device import devices
from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.backends.cuda.stopwatch import CudaStopwatch
from harness.device import Device
from harness.execute import prepare
from harness.kernels.tensors import Tensors
from harness.plan import plan
from harness.suite import load_suite
from harness.timing import Measure, Timing, time_rounds
from harness.timing.summary import median_of

MEASURE = Measure(min_time_s=0.2, max_time_s=1.0)
_TIMEOUT_S, _LEAST_S = 5.0, 0.2  # of NVBench, a kernel


@dataclass(frozen=True)
class Line:
    """Medians in seconds. ``batched_s`` is the harness's own choice, a graph of launches where one is short."""

    name: str
    own_s: float
    batched_s: float
    launches_per_sample: int
    nvbench_s: float | None
    triton_s: float | None


class Copy(CudaKernel):
    """The driver's copy of random bytes."""

    def __init__(self, device: Device, size: int) -> None:
        self._size = size
        values = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
        super().__init__(device, {"x": values}, {"y": Output((size,), np.uint8)})

    def launch_on(self, arrays: Arrays) -> None:
        arrays["y"].data.copy_from_device_async(arrays["x"].data, self._size)


def kernels(device: Device) -> Iterator[tuple[str, CudaKernel]]:
    """Copies, quantizations and products from about 3 µs to 2 ms."""
    for mebibytes in (1, 8, 64, 256, 1024):
        yield f"copy {mebibytes} MiB", Copy(device, mebibytes << 20)
    for rows in (64, 512, 4096, 16384, 65536):
        yield (
            f"quantize {rows} x 4096",
            _kernel(device, "quantize", {"rows": rows, "cols": 4096}, "affine", format="int8"),
        )
    for side in (512, 1024, 2048, 4096, 8192):
        yield f"cublas_f16 {side}^3", _kernel(device, "gemm", {"m": side, "n": side, "k": side}, "cublas_f16")


def _kernel(device: Device, op: str, shape: dict[str, int], kernel: str, **axes: str) -> CudaKernel:
    axes = axes or {"scheme": "w8a8"}
    suite = {"name": "i", "op": op, "shapes": [{"name": "s", **shape}], "matrix": {"kernel": kernel, **axes}}
    made: CudaKernel = prepare(
        plan(load_suite({**suite, "reference_rows": 1} if op == "gemm" else suite), device)[0], device, Tensors()
    ).kernel
    return made


class Alike(CudaStopwatch):
    """As NVBench does it: no graphs, one set of operands, a buffer as large as the cache written over before each launch
    (do_bench writes 256 MB)."""

    short_s = 0.0

    def __init__(self, kernel: CudaKernel, measure: Measure) -> None:
        super().__init__(kernel, replace(measure, l2="hot"))
        kernel.select(0)
        self._cooler = _Flushed(kernel)


class _Flushed(Hot):
    def __init__(self, kernel: CudaKernel) -> None:
        super().__init__(kernel)
        self._flush = Flush(kernel, multiple=1)

    def next(self) -> None:
        self._flush.write()


def compare(device: Device, words: str = "") -> Iterator[Line]:
    """A line a kernel whose name has ``words`` in it."""
    made = {name: kernel for name, kernel in kernels(device) if words in name}
    own = {name: time_rounds(Alike(kernel, MEASURE), MEASURE).time_s for name, kernel in made.items()}
    theirs = nvbench_medians(made, own)
    for name, kernel in made.items():
        batched = time_rounds(CudaStopwatch(kernel, MEASURE), MEASURE)
        launches = batched.launches_per_sample
        yield Line(name, own[name], batched.time_s, launches, theirs.get(name), triton_median(kernel))


def nvbench_medians(made: dict[str, CudaKernel], times_s: dict[str, float]) -> dict[str, float]:
    """NVBench's cold medians by name, none where it is not installed. It runs once a process. ``times_s``: how long a launch
    of each takes, of which each rests thrice."""
    try:
        from cuda import bench
        from cuda.bench.results import BenchmarkResult
    except ImportError:
        return {}

    def benchmark(kernel: CudaKernel, rest_s: float) -> Callable[[Any], None]:
        def rested(_: Any) -> None:
            time.sleep(rest_s)
            kernel.launch()

        def measured(state: Any) -> None:
            state.set_stream(kernel.session.stream)
            state.set_throttle_threshold(0.0)
            state.set_timeout(_TIMEOUT_S)
            state.exec(rested)

        return measured

    for name, kernel in made.items():
        kernel.select(0)
        one = bench.register(benchmark(kernel, CudaStopwatch.rest_ratio * times_s[name])).set_name(name)
        one.set_criterion_param_float64("min-time", _LEAST_S)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.json"
        bench.run_all_benchmarks(["nvbench", "--jsonbin", str(path), "--devices", "0", "--quiet"])
        found = BenchmarkResult.from_json(path)
        return {name: float(np.median(state.samples)) for name, sub in found.items() for state in sub if state.samples}


def triton_median(kernel: CudaKernel) -> float | None:
    """do_bench's median, None where Triton is not installed."""
    try:
        import torch
        from triton.testing import do_bench
    except ImportError:
        return None
    kernel.select(0)
    with torch.cuda.stream(torch.cuda.ExternalStream(int(kernel.session.stream.handle))):
        return float(do_bench(kernel.launch, warmup=50, rep=200, return_mode="median")) / 1e3


def row(line: Line) -> str:
    """The line as a row of a Markdown table, ratios to this harness."""

    def over(other: float | None) -> str:
        return "– | –" if other is None else f"{other * 1e6:.2f} | {line.own_s / other - 1:+.1%}"

    own = f"{line.own_s * 1e6:.2f} | {line.batched_s * 1e6:.2f} ({line.launches_per_sample})"
    return f"| {line.name} | {own} | {over(line.nvbench_s)} | {over(line.triton_s)} |"


def rests(device: Device) -> Iterator[str]:
    """The table of NOTES.md: what clock and power do for rests of several lengths, and in steady mode."""
    kernel = _kernel(device, "gemm", {"m": 8192, "n": 8192, "k": 8192}, "cublas_f16")
    burst = Measure(min_time_s=1.5, max_time_s=3.0)
    for ratio in (0.0, 1.0, 3.0, 6.0):
        watch = type("Resting", (CudaStopwatch,), {"rest_ratio": ratio})(kernel, burst)
        yield _rest_row(f"{ratio:g}", time_rounds(watch, burst))
    steady = Measure(mode="steady", min_time_s=1.5, max_time_s=8.0)
    yield _rest_row("steady", time_rounds(CudaStopwatch(kernel, steady), steady))


def _rest_row(name: str, timing: Timing) -> str:
    clocks = [state.sm_clock_hz or 0.0 for state in timing.states]
    throttled = sum(bool(state.throttle_reasons) for state in timing.states)
    return (
        f"| {name} | {timing.time_s * 1e6:.0f} µs | {timing.noise:.1%} | {min(clocks) / 1e6:.0f}–{max(clocks) / 1e6:.0f} MHz | "
        f"{median_of(timing.states, 'power_w')} W | {throttled} of {len(clocks)} |"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["rests"]:
        for text in rests(devices()[0]):
            print(text, flush=True)
        sys.exit()
    print(
        "| kernel | harness µs | as it chooses (launches a sample) | NVBench µs | harness over it | do_bench µs | harness over it |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    for each in compare(devices()[0], *sys.argv[1:2]):
        print(row(each), flush=True)
