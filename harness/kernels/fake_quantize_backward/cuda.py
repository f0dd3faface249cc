"""backward.cu on the device."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.backends.cuda.kernel import NULL, Arrays, Output
from harness.backends.cuda.session import session
from harness.device import Device
from harness.kernels.common.affine_kernel import AffineKernel
from harness.kernels.common.affine_program import THREADS
from harness.kernels.common.shared_blocks import WARP, Sharing, share_blocks, share_columns
from harness.kernels.common.supports import planned
from harness.kernels.fake_quantize_backward.oracle import BackwardProblem
from harness.kernels.fake_quantize_backward.program import ATOMIC, LSQ, STE, BackwardProgram, backward_program
from harness.numerics.gradients import Gradients

_WARPS_A_MULTIPROCESSOR = 24


class Backward(AffineKernel):
    """Gradients by values, scales and zero points. ``rule``: STE or LSQ."""

    rule = STE
    atomic = False

    def __init__(
        self,
        problem: BackwardProblem,
        device: Device,
        program: BackwardProgram | None = None,
        warps_a_multiprocessor: int = _WARPS_A_MULTIPROCESSOR,
    ) -> None:
        tensor = problem.tensor
        quantized, kind = tensor.quantized, tensor.type
        found = program or planned(backward_program(quantized.scheme, quantized.tiling, kind.name))
        self._blocks = quantized.params.scale.size
        self._asymmetric = quantized.params.zero_point is not None
        size = tensor.values.size
        inputs = {"x": kind.store(tensor.finite).ravel(), "upstream": kind.store(problem.upstream).ravel()}
        sums = {"by_scale": Output((self._blocks,), np.float32)}
        if self._asymmetric:
            sums["by_zero"] = Output((self._blocks,), np.float32)
        threads = session(device).multiprocessors * warps_a_multiprocessor * WARP
        vectors = -(-size // (found.program.width or 1))
        if found.held:
            self._sharing = Sharing(-(-self._blocks // (THREADS // found.team * found.held)), 1)
        elif found.program.layout.kind == "column":
            self._sharing = share_columns(threads, self._blocks, vectors)
        else:
            self._sharing = share_blocks(threads, self._blocks, vectors, found.team)
        if self._sharing.parts > 1 and not self.atomic:
            sums["rows"] = Output((self._blocks * self._sharing.parts, 2), np.float64)
        super().__init__(tensor, device, inputs, {"made": Output((size,), kind.stored), **sums}, found.program)
        specialisation = found.specialisation(self.rule, ATOMIC if self.atomic else 0)
        self._kernel = self.compiled(specialisation, "backward")
        self._finish = self.compiled(specialisation, "finish")

    def launch_on(self, arrays: Arrays) -> None:
        by_scale, by_zero = arrays["by_scale"], arrays.get("by_zero", NULL)
        rows = arrays.get("rows", NULL)
        if self.atomic or not self.count:
            for sums in (by_scale, by_zero) if self._asymmetric else (by_scale,):
                sums.data.memset_async(0, sums.nbytes)
        if not self.count:
            return
        results = (arrays["made"], rows, by_scale, by_zero)
        operands: tuple[Any, ...] = (arrays["x"], arrays["upstream"], *self.scaling(arrays), *results)
        split = (np.uint32(self._blocks), np.uint32(self._sharing.parts))
        launch = self.session.launch
        launch(self._kernel, self._sharing.grid, THREADS, *operands, self.count, *self.limits, *split, *self.blocks)
        if "rows" in arrays:
            sums = (rows, by_scale, by_zero, self.count, self.limits[1], split[1])
            launch(self._finish, self._blocks, THREADS, *sums, *self.blocks)

    def output(self) -> Gradients:
        grid = self.problem.quantized.params.scale.shape
        values = self.problem.type.read(self.array("made")).reshape(self.problem.values.shape)
        by_zero = self.array("by_zero").reshape(grid) if self._asymmetric else None
        return Gradients(values, self.array("by_scale").reshape(grid), by_zero)


class SteAtomic(Backward):
    """Sums by atomics, in whatever order."""

    atomic = True


class LsqBackward(Backward):
    """LSQ's rule."""

    rule = LSQ


class LsqAtomic(LsqBackward):
    """LSQ's rule, sums by atomics."""

    atomic = True
