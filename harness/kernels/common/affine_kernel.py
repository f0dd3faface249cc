"""Host side of the affine CUDA kernels: operands in memory, arguments of a launch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import WIDEST_ACCESS, Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.common.affine_program import THREADS, AffineProgram, affine_program
from harness.kernels.common.supports import planned
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.specialisation import Specialisation
from harness.numerics.formats import element_format
from harness.numerics.packing import pack_bits, sign_extended, unpack_bits
from harness.numerics.scales import scale_format
from harness.numerics.scheme import OperandScheme
from harness.numerics.value_types import VALUE_TYPES


def program_of(problem: TensorProblem, *, writes_codes: bool = False) -> AffineProgram:
    """The program that planning found for this problem."""
    quantized = problem.quantized
    return planned(affine_program(quantized.scheme, quantized.tiling, problem.type.name, writes_codes=writes_codes))


def stored_codes(problem: TensorProblem) -> NDArray[np.uint8]:
    """The oracle's codes as they lie in memory: one after the other, from the lowest bit of the first byte upwards."""
    codes, element = problem.quantized.codes, problem.quantized.scheme.element
    return pack_bits(codes > 0 if element.kind == "binary" else codes, element.bits)


def read_codes(problem: TensorProblem, stored: NDArray[np.uint8]) -> NDArray[Any]:
    """What a kernel stored, as codes of the tensor's shape."""
    expected, element = problem.quantized.codes, problem.quantized.scheme.element
    patterns = unpack_bits(stored, element.bits, expected.size)
    if element.kind == "binary":
        patterns = patterns * 2 - 1  # of bytes: 255 is -1
    elif element.signed and expected.dtype == np.int8:
        patterns = sign_extended(patterns, element.bits).view(np.uint8)
    return patterns.view(expected.dtype).reshape(expected.shape)


def stored_scales(problem: TensorProblem) -> NDArray[Any]:
    """The scales as they lie in memory, one a block in the order of the grid, bits of 16-bit floats as integers."""
    scales, name = problem.quantized.params.scales, problem.quantized.scheme.scale_format
    if name in VALUE_TYPES:
        return VALUE_TYPES[name].store(scales.scale.ravel())
    if scales.block_scale is not None:
        return element_format("fp8_e4m3").encode(scales.block_scale.ravel())
    return (np.frexp(scales.scale.ravel())[1] + 126).astype(np.uint8)


def read_scales(name: str, stored: NDArray[Any], whole: float) -> NDArray[np.float32]:
    """The scales (f32) that stored ones of a format mean; ``whole`` is the tensor's, of formats with two levels."""
    if name in VALUE_TYPES:
        return VALUE_TYPES[name].read(stored)
    if scale_format(name).two_level:
        return element_format("fp8_e4m3").decode(stored) * np.float32(whole)
    return np.ldexp(np.float32(1), stored.astype(np.int32) - 127)


def code_bytes(problem: TensorProblem) -> int:
    """Bytes of all codes."""
    return -(-problem.values.size * problem.quantized.scheme.element.bits // 8)


MOVED_IN_VECTORS = ("x", "y", "codes", "upstream", "made")
"""Operands of tensor kernels whose neighbours move together; the others are moved one by one."""


def as_aligned(specialisation: Specialisation, alignment: int) -> Specialisation:
    """The compilation for addresses that are multiples of ``alignment`` bytes."""
    return specialisation if alignment == WIDEST_ACCESS else specialisation.changed(ALIGNMENT=alignment)


class AffineKernel(CudaKernel):
    """A kernel of one entry point over a tensor, its scales and zero points. ``writes_codes`` as in its spec."""

    writes_codes = False

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
        whole = np.array([params.scales.global_scale or 1.0], np.float32)
        given = {"scales": stored_scales(problem), "zeros": zeros.astype(np.float32).ravel(), "whole": whole}
        super().__init__(device, {**inputs, **given}, outputs)
        self.problem = problem
        self.program = program or program_of(problem, writes_codes=self.writes_codes)
        self.count = np.uint64(problem.values.size)
        self.blocks = tuple(np.uint32(each) for each in self.program.block_arguments)
        self.limits = code_limits(problem.quantized.scheme)

    def compiled(self, specialisation: Specialisation, entry: str) -> Any:
        """The entry point, of the compilation for operands that lie in memory as these do."""
        return self.session.kernel(as_aligned(specialisation, self.alignment(MOVED_IN_VECTORS)), entry)

    def scaling(self, arrays: Arrays) -> tuple[Any, ...]:
        """SCALE_PARAMETERS of ``common/scales.cuh``."""
        return arrays["scales"], arrays["zeros"], arrays["whole"]

    def grid(self, elements_per_thread: int) -> int:
        """Thread blocks that cover the tensor; 0 where it is empty."""
        return -(-int(self.count) // (elements_per_thread * THREADS * self.program.unroll))

    def launch_over(self, kernel: Any, grid: int, *arguments: Any) -> None:
        """One launch of THREADS threads a block; of an empty grid, which the driver refuses, none."""
        if grid:
            self.session.launch(kernel, grid, THREADS, *arguments)


def code_limits(scheme: OperandScheme) -> tuple[np.float32, np.float32]:
    """Least and largest code of integers; of other formats the values that those stand for."""
    element = scheme.element
    low, high = element.limits(scheme.narrow_range) if element.is_integer else (element.values[0], element.largest)
    return np.float32(low), np.float32(high)


def scale_target(scheme: OperandScheme) -> tuple[Any, ...]:
    """``Target`` of ``common/make_scale.cuh``."""
    element, (low, high) = scheme.element, code_limits(scheme)
    if scheme.symmetric:
        return np.float32(element.largest), np.int32(element.emax), low, high
    return np.float32(high - low), np.int32(element.bits - 1), low, high
