"""Host side of the affine CUDA kernels: operands in memory, arguments of a launch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import CudaKernel, Output
from harness.device import Device
from harness.kernels.common.affine_program import THREADS, AffineProgram, affine_program
from harness.kernels.common.tensor_problem import TensorProblem
from harness.numerics.packing import pack_nibbles, unpack_nibbles


def program_of(problem: TensorProblem) -> AffineProgram:
    """The program that planning found for this problem."""
    quantized = problem.quantized
    program = affine_program(quantized.scheme, quantized.tiling, problem.type.name)
    assert program is not None, "planned for a layout that kernels walk"
    return program


def stored_codes(problem: TensorProblem) -> NDArray[np.uint8]:
    """The oracle's codes as they lie in memory: a byte each, or two a byte."""
    codes = problem.quantized.codes
    return pack_nibbles(codes) if problem.quantized.scheme.element.bits == 4 else codes.view(np.uint8).ravel()


def read_codes(problem: TensorProblem, stored: NDArray[np.uint8]) -> NDArray[Any]:
    """What a kernel stored, as codes of the tensor's shape."""
    expected, element = problem.quantized.codes, problem.quantized.scheme.element
    if element.bits == 4:
        return unpack_nibbles(stored, expected.size, signed=element.signed).reshape(expected.shape)
    return stored.view(expected.dtype).reshape(expected.shape)


def code_bytes(problem: TensorProblem) -> int:
    """Bytes of all codes."""
    return -(-problem.values.size * problem.quantized.scheme.element.bits // 8)


class AffineKernel(CudaKernel):
    """A kernel of one entry point over a tensor, its scales and zero points."""

    def __init__(
        self,
        problem: TensorProblem,
        device: Device,
        inputs: dict[str, NDArray[Any]],
        outputs: dict[str, Output],
        program: AffineProgram | None = None,
    ) -> None:
        params = problem.quantized.params
        zeros = np.zeros(1) if params.zero_point is None else params.zero_point
        given = {"scales": params.scale.ravel(), "zeros": zeros.astype(np.float32).ravel()}
        super().__init__(device, {**inputs, **given}, outputs)
        self.problem = problem
        self.program = program or program_of(problem)
        self.count = np.uint64(problem.values.size)
        self.blocks = tuple(np.uint32(each) for each in self.program.block_arguments)
        low, high = problem.quantized.scheme.element.limits(problem.quantized.scheme.narrow_range)
        self.limits = (np.float32(low), np.float32(high))

    def grid(self, elements_per_thread: int) -> int:
        """Blocks that cover the tensor."""
        return max(1, -(-int(self.count) // (elements_per_thread * THREADS * self.program.unroll)))
