"""dynamic.cu and two_pass.cu on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import NULL, Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.common.affine_kernel import (
    MOVED_IN_VECTORS,
    as_aligned,
    code_bytes,
    program_of,
    read_codes,
    read_scales,
    scale_target,
    stored_scales,
)
from harness.kernels.common.affine_program import THREADS
from harness.kernels.common.shared_blocks import WARP, share_blocks, share_columns
from harness.kernels.common.supports import planned
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.quantize.dynamic_program import TWO_PASS, Team, dynamic_specialisation, one_pass
from harness.kernels.quantize.oracle import Codes
from harness.numerics.scales import global_scale_of

_WARPS_A_MULTIPROCESSOR = 64


class _Dynamic(CudaKernel):
    """Values in; codes, scales and zero points out."""

    def __init__(self, problem: TensorProblem, device: Device, scratch: dict[str, Output]) -> None:
        self.problem = problem
        params, scheme = problem.quantized.params, problem.quantized.scheme
        blocks = (params.scale.size,)
        outputs = {
            "codes": Output((code_bytes(problem),), np.uint8),
            "scales": Output(blocks, stored_scales(problem).dtype),
            **({} if scheme.symmetric else {"zeros": Output(blocks, np.float32)}),
            **scratch,
        }
        super().__init__(device, {"x": problem.type.store(problem.finite).ravel()}, outputs)
        self.target = scale_target(scheme)

    @property
    def threads_to_fill(self) -> int:
        """The device."""
        return self.session.multiprocessors * _WARPS_A_MULTIPROCESSOR * WARP

    def zeros(self, arrays: Arrays) -> Any:
        """Where zero points go; a null pointer where codes have none."""
        return arrays.get("zeros", NULL)

    def output(self) -> Codes:
        params, scheme = self.problem.quantized.params, self.problem.quantized.scheme
        codes = read_codes(self.problem, self.array("codes"))
        scale = read_scales(scheme.scale_format, self.array("scales"), self._whole())
        zero: NDArray[np.int32] | None = None if scheme.symmetric else self.array("zeros").astype(np.int32)
        return Codes(codes, scale.reshape(params.scale.shape), zero)

    def _whole(self) -> float:
        """The scale above the blocks' own."""
        return 1.0


class QuantizeDynamic(_Dynamic):
    """A block in the registers of a team of threads; the tensor read once (of two-level scales a pass before finds the
    tensor's largest magnitude)."""

    def __init__(self, problem: TensorProblem, device: Device, team: Team | None = None) -> None:
        quantized = problem.quantized
        found = planned(one_pass(quantized.scheme, quantized.tiling, problem.type.name, team))
        self._plan, self._two_level = found, quantized.scheme.scales.two_level
        super().__init__(problem, device, {"top": Output((2,), np.uint32)} if self._two_level else {})
        specialisation = as_aligned(found.specialisation(), self.alignment(MOVED_IN_VECTORS))
        self._kernel = self.session.kernel(specialisation, "quantize_dynamic")
        self._find_top = self.session.kernel(specialisation, "find_top") if self._two_level else None

    def launch_on(self, arrays: Arrays) -> None:
        plan, team = self._plan, self._plan.team
        top: Any = NULL
        if self._find_top is not None:
            top = arrays["top"]
            top.data.memset_async(0, top.nbytes)
            grid = self.threads_to_fill // team.threads
            count = np.uint64(self.problem.values.size)
            self.session.launch(self._find_top, grid, team.threads, arrays["x"], top, count)
        shape = (plan.rows, plan.columns, plan.block_rows, plan.block_columns, plan.across, plan.blocks)
        grid = -(-plan.blocks * team.lanes // team.threads)
        operands = (arrays["x"], top, arrays["codes"], arrays["scales"], self.zeros(arrays))
        self.session.launch(self._kernel, grid, team.threads, *operands, *self.target, *map(np.uint32, shape))

    def _whole(self) -> float:
        if not self._two_level:
            return 1.0
        top = self.array("top")[:1].view(np.float32)
        return float(global_scale_of(top, self.problem.quantized.scheme.element.largest))


class QuantizeTwoPass(_Dynamic):
    """Ranges first, then codes. Of an empty tensor scales alone are made."""

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        self._program = program_of(problem, writes_codes=True)
        self._blocks = problem.quantized.params.scale.size
        scratch = {"keys": Output((2 * self._blocks,), np.uint32), "zeros": Output((self._blocks,), np.float32)}
        super().__init__(problem, device, scratch)
        specialisation = as_aligned(dynamic_specialisation(self._program, TWO_PASS), self.alignment(MOVED_IN_VECTORS))
        names = ("find_range", "make_scales", "quantize")
        self._find, self._make, self._encode = (self.session.kernel(specialisation, name) for name in names)
        self._arguments = tuple(np.uint32(each) for each in self._program.block_arguments)
        threads, columns = self.threads_to_fill, self._program.block_arguments[1]
        vectors = -(-problem.values.size // (self._program.width or 1))
        if self._program.layout.kind == "column":
            self._sharing = share_columns(threads, columns, vectors)
        else:
            self._sharing = share_blocks(threads, self._blocks, vectors, WARP)
        unit = self._program.width or 8
        self._encode_grid = -(-problem.values.size // (unit * THREADS * self._program.unroll))

    def launch_on(self, arrays: Arrays) -> None:
        count = np.uint64(self.problem.values.size)
        blocks, parts = np.uint32(self._blocks), np.uint32(self._sharing.parts)
        keys, zeros = arrays["keys"], arrays["zeros"]
        keys.data.memset_async(0, keys.nbytes)
        launch = self.session.launch
        if count:
            launch(self._find, self._sharing.grid, THREADS, arrays["x"], keys, count, blocks, parts, *self._arguments)
        made = (keys, arrays["scales"], zeros, blocks, *self.target)
        launch(self._make, -(-self._blocks // THREADS), THREADS, *made)
        limits = self.target[2:]
        operands = (arrays["x"], arrays["scales"], zeros, NULL, arrays["codes"], count, *limits)
        if count:
            launch(self._encode, self._encode_grid, THREADS, *operands, *self._arguments)
