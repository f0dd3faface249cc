"""Oracle of fake_quantize: quantize, then dequantize, exact."""

from __future__ import annotations

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import TensorProblem, dequantized
from harness.kernels.dequantize.oracle import Dequantize, Values
from harness.kernels.family import Work


class FakeQuantize(Dequantize):
    """Values → values that codes can stand for. Judged as dequantize is; what moves is two tensors."""

    def work(self, problem: TensorProblem, output: object) -> Work:
        return Work(2 * problem.value_bytes, 0, problem.value_bytes)


def _values(problem: TensorProblem) -> Values:
    return dequantized(problem, problem.prepared.quantized_anew())


REFERENCE = oracle_kernel(_values)
FAMILY = FakeQuantize()
