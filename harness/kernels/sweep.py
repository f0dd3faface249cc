"""Times variants of the CUDA kernels, to choose the constants that NOTES.md of the families explain.

``python -m harness.kernels.sweep quantize`` (or dequantize, fake_quantize, statistics, gemm) on a machine with a CUDA device. Every variant
must conform before it is timed; all of them see the same operands, on cold caches.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.backends.cuda.peaks import copy_bandwidth
from harness.backends.cuda.timing import time_launch
from harness.case import Case
from harness.cli.console import output, table
from harness.device import Device
from harness.errors import DeviceError
from harness.kernels.common.affine_kernel import program_of
from harness.kernels.ops import OPS
from harness.kernels.spec import load_attribute
from harness.kernels.tensors import Tensors
from harness.plan import plan
from harness.suite import load_suite
from harness.timing import Measure

_MEASURE = Measure(min_samples=50, max_time_s=0.5)
_AFFINE = {
    "quantize": "harness.kernels.quantize.cuda:QuantizeAffine",
    "dequantize": "harness.kernels.dequantize.cuda:DequantizeAffine",
    "fake_quantize": "harness.kernels.fake_quantize.cuda:FakeQuantizeAffine",
}
Variant = tuple[str, Any]


def _case(op: str, shape: Mapping[str, Any], device: Device, kernel: str, **axes: str) -> Case:
    suite = {"name": "sweep", "op": op, "shapes": [{"name": "s", **shape}], "matrix": {"kernel": kernel, **axes}}
    return plan(load_suite(suite), device)[0]


def affine_variants(op: str, problem: Any, device: Device) -> Iterator[Variant]:
    """Widths and unrollings."""
    kind = load_attribute(_AFFINE[op])
    chosen = program_of(problem, writes_codes=kind.writes_codes)
    for width in (4, 8, 16):
        for unroll in (1, 2, 4, 8):
            program = replace(chosen, width=width, unroll=unroll)
            yield f"width {width} unroll {unroll}", lambda program=program: kind(problem, device, program)


def statistics_variants(problem: Any, device: Device) -> Iterator[Variant]:
    """Vectors in flight a thread, and thread blocks a multiprocessor, which bound its registers."""
    from harness.kernels.statistics import cuda

    for unroll in (1, 2, 4):
        for resident in (2, 3, 4, 5):
            macros = {"UNROLL": unroll, "RESIDENT": resident}
            yield (
                f"{unroll} in flight, {resident} blocks a multiprocessor",
                lambda macros=macros: cuda.Statistics(problem, device, macros=macros),
            )


def gemm_variants(problem: Any, device: Device) -> Iterator[Variant]:
    """Stages of the ring that tiles arrive in (dp4a has none), and of the upper steps the shape of tiles and their order."""
    from harness.kernels.gemm import cuda, tensor_core

    yield "dp4a", lambda: cuda.Dp4a(problem, device)
    for stages in (2, 3):
        yield f"wmma_s8 stages {stages}", lambda stages=stages: cuda.WmmaS8(problem, device, {"STAGES": stages})
    for stages, depth in ((3, 64), (4, 64), (5, 64), (6, 64), (3, 128)):
        yield _ladder_variant("mma_s8", tensor_core.MmaS8, problem, device, STAGES=stages, DEPTH=depth)
    if device.architecture != "sm_90a":
        return
    for columns, blocks in ((256, 1), (128, 2), (128, 1)):
        for stages in (3, 4):
            macros = {"TILE_N": columns, "BLOCKS": blocks, "STAGES": stages}
            yield _ladder_variant("wgmma_s8", tensor_core.WgmmaS8, problem, device, **macros)
    for rows in (512, 1024, 4096):
        yield _ladder_variant("wgmma_s8", tensor_core.WgmmaS8, problem, device, RASTER_ROWS=rows)


def _ladder_variant(name: str, kind: Any, problem: Any, device: Device, **macros: int) -> Variant:
    words = " ".join(f"{macro.lower()} {value}" for macro, value in macros.items())
    return f"{name} {words}", lambda: kind(problem, device, macros)


def sweep(op: str, device: Device) -> None:
    """Print one row a variant: median time, rate, and share of the copy bandwidth for ops whose floor is bytes."""
    tensors = Tensors()
    family = load_attribute(OPS[op].family)
    made = table(f"{op} on {device.model}", "case", "variant", "time µs", "rate", right=("time µs", "rate"))
    for name, case in _cases(op, device):
        problem = family.problem(case, tensors)
        variants = {"gemm": gemm_variants, "statistics": statistics_variants}.get(op)
        found = variants(problem, device) if variants else affine_variants(op, problem, device)
        for label, make in found:
            kernel = make()
            kernel.launch()
            result = kernel.output()
            verdict = family.judge(problem, result)
            if not verdict.conforms:
                made.add_row(name, label, "–", f"wrong: {verdict.reason}")
                continue
            time_s, work = time_launch(kernel, _MEASURE).time_s, family.work(problem, result)
            rate = (
                f"{work.flops / time_s / 1e12:.0f} TOPS"
                if work.flops
                else f"{work.moved_bytes / time_s / copy_bandwidth(device):.3f} of copy"
            )
            made.add_row(name, label, f"{time_s * 1e6:.1f}", rate)
    output.print(made)
    if op != "gemm":
        output.print(f"copy of 256 MiB: {copy_bandwidth(device) / 1e12:.3f} TB/s, read and written")


def _cases(op: str, device: Device) -> Iterator[tuple[str, Case]]:
    if op == "gemm":
        shape = {"m": 4096, "n": 4096, "k": 4096}
        yield "w8a8 4096^3", _case(op, shape, device, "wmma_s8", scheme="w8a8")
        return
    for dtype in ("f32", "bf16"):
        for element in ("int8", "int4"):
            tensor = {"rows": 16384, "cols": 4096, "dtype": dtype}
            yield f"{dtype} {element}", _case(op, tensor, device, "affine", format=element)


def main() -> None:
    """Sweep the ops that the command line names."""
    from harness.backends import find_device

    device = find_device("auto")
    if device.backend != "cuda":
        raise DeviceError(f"sweep: needs a CUDA device (got {device.name}); see `harness doctor`")
    for op in sys.argv[1:] or ("quantize", "dequantize", "fake_quantize", "statistics", "gemm"):
        sweep(op, device)


if __name__ == "__main__":
    main()
