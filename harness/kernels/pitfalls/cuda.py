"""The pitfalls of parallel programming on the device: shared_byte.cu, block_barrier.cu, float_bits.cu, warp_range.cu."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.common.affine_kernel import code_bytes, code_limits, read_codes, scale_target
from harness.kernels.common.affine_program import THREADS
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.pitfalls.program import specialisation
from harness.kernels.quantize.oracle import Codes


class _Pitfall(CudaKernel):
    """Values in, codes out; further ``operands`` and ``outputs`` by name."""

    source = ""

    def __init__(self, problem: TensorProblem, device: Device, operands: Arrays, outputs: dict[str, Output]) -> None:
        codes = Output((code_bytes(problem),), np.uint8)
        super().__init__(device, {"x": problem.finite.ravel(), **operands}, {"codes": codes, **outputs})
        self.problem = problem
        self.scheme = problem.quantized.scheme
        self.size = problem.values.size
        self.count = np.uint64(self.size)
        self.blocks = problem.quantized.params.scale.size
        self.grid = -(-self.size // THREADS)
        self.kernel = self.entry("quantize")

    def entry(self, name: str) -> Any:
        """A kernel of the source."""
        return self.session.kernel(specialisation(self.source, self.scheme), name)

    def output(self) -> Codes:
        return Codes(read_codes(self.problem, self.array("codes")))


class SharedByte(_Pitfall):
    """Static range, a thread a code of four bits."""

    source = "shared_byte"

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        params = problem.quantized.params
        zero = np.zeros(1) if params.zero_point is None else params.zero_point
        given = {"scales": params.scale.ravel(), "zeros": zero.astype(np.float32).ravel()}
        super().__init__(problem, device, given, {})

    def launch_on(self, arrays: Arrays) -> None:
        operands = (arrays["x"], arrays["scales"], arrays["zeros"], arrays["codes"])
        self.session.launch(self.kernel, self.grid, THREADS, *operands, self.count, *code_limits(self.scheme))


class BlockBarrier(_Pitfall):
    """Dynamic range of the whole tensor, in one kernel. What decodes has the range that is there in the end, the right one."""

    source = "block_barrier"

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        super().__init__(problem, device, {}, {"keys": Output((2,), np.uint32)})

    def launch_on(self, arrays: Arrays) -> None:
        keys = arrays["keys"]
        keys.data.memset_async(0, keys.nbytes)
        operands = (arrays["x"], keys, arrays["codes"])
        self.session.launch(self.kernel, self.grid, THREADS, *operands, self.count, *scale_target(self.scheme))


class _FindsScales(_Pitfall):
    """Scales and zero points out, too."""

    def __init__(self, problem: TensorProblem, device: Device, scratch: dict[str, Output]) -> None:
        found = Output((problem.quantized.params.scale.size,), np.float32)
        super().__init__(problem, device, {}, {"scales": found, "zeros": found, **scratch})

    def output(self) -> Codes:
        shape = self.problem.quantized.params.scale.shape
        zero = None if self.scheme.symmetric else self.array("zeros").astype(np.int32).reshape(shape)
        return Codes(super().output().codes, self.array("scales").reshape(shape), zero)


class FloatBits(_FindsScales):
    """Dynamic ranges by atomics on the bits of floats."""

    source = "float_bits"

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        super().__init__(problem, device, {"ends": Output((problem.quantized.params.scale.size, 2), np.int32)})
        self._begin, self._find = self.entry("begin_ranges"), self.entry("find_ranges")

    def launch_on(self, arrays: Arrays) -> None:
        x, ends, length = arrays["x"], arrays["ends"], np.uint32(self.size // self.blocks)
        launch = self.session.launch
        launch(self._begin, -(-self.blocks // THREADS), THREADS, ends, np.uint32(self.blocks))
        launch(self._find, self.grid, THREADS, x, ends, self.count, length)
        results = (arrays["codes"], arrays["scales"], arrays["zeros"])
        launch(self.kernel, self.grid, THREADS, x, ends, *results, self.count, length, *scale_target(self.scheme))


class WarpRange(_FindsScales):
    """A dynamic range a row, by reductions of warps."""

    source = "warp_range"

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        super().__init__(problem, device, {})

    def launch_on(self, arrays: Arrays) -> None:
        operands = (arrays["x"], arrays["codes"], arrays["scales"], arrays["zeros"])
        columns = np.uint32(self.size // self.blocks)
        self.session.launch(self.kernel, self.blocks, THREADS, *operands, columns, *scale_target(self.scheme))
