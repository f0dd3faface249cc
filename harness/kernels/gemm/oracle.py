"""Oracle of gemm: y = x̂ · ŵᵀ on the quantized operands, in float64, on sampled rows where m is large.

Codes minus zero points are whole numbers and scales f32, so float64 holds integer products exactly while
k · 255² < 2^53: integer kernels are held to the exact sums, times their scales, within four f32 roundings. Kernels that
accumulate in f32 are held to the bound of any summation order, (k + 4)·2⁻²⁴·|x̂|·|ŵ|ᵀ
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). Sums that fp8 tensor cores keep are held to
what those lose (``fp8_sums.py``). A kernel that takes its unquantized operands
in a narrower type is held to the product of the operands in that type; one that gives its output in a narrower type may
round it once more, by half a unit of that type. What follows the product is in ``following.py``. Where an operand is infinite or NaN in the type that a kernel takes it in,
sums in f32 must not come out finite.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.kernels.common.bounded import F32_ROUNDING, fit
from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.family import Described, Verdict, Work
from harness.kernels.gemm.following import Bound, Following, bias_of, codes_in_f32, judge_codes
from harness.kernels.gemm.fp8_sums import LINE, lost
from harness.kernels.gemm.operand_values import (
    operand_sqnr,
    quantized_product,
    real_values,
    rows_of,
    sampled_rows,
    split_scale,
)
from harness.kernels.tensors import Evaluate, MatrixProduct, Prepared, host_product, on_host
from harness.numerics.epilogue import LIMITS, NOTHING, Epilogue
from harness.numerics.error_histogram import described
from harness.numerics.metrics import Comparison
from harness.numerics.parallel import count_where
from harness.numerics.value_types import finfo, value_type

if TYPE_CHECKING:
    from harness.case import Case, Operand
    from harness.kernels.tensors import Tensors

Float64 = NDArray[np.float64]
Sums = Literal["exact", "f32", "fp8", "fp8_promoted"]


@dataclass(frozen=True, eq=False)
class OutputCodes:
    """A requantized output: ``y = (codes - zero_point) · scale``, codes within [low, high]."""

    codes: NDArray[Any]
    scale: float
    zero_point: int
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Product:
    """A kernel's output [m, n] and how it was made, which decides the bound it is held to: how sums were accumulated, and
    in which type it took operands that no scheme touches. The output's own type is that of ``values``."""

    values: NDArray[Any]
    sums: Sums
    """``fp8``: in the tensor cores all along k; ``fp8_promoted``: in f32 from one 128 of k to the next."""
    requantized: OutputCodes | None = None
    operands: str = "f32"
    weight_taken: NDArray[np.float32] | None = None
    """The weight [n, k] as the kernel's own definition dequantizes it, where that rounds on the way."""
    weight_rounding: float = 0
    """Largest relative error of what each weight adds to a sum, where its rounding is left to the kernel."""
    activation_rounding: float = 0
    """Largest error of each activation, as a part of its row's largest magnitude, where the kernel rounds them so."""


@dataclass(frozen=True, eq=False)
class GemmProblem:
    """Operands activation [m, k] and weight [n, k]; ``rows`` are the rows of the output that are checked."""

    activation: Prepared
    weight: Prepared
    rows: NDArray[np.int64]
    exact: Float64
    """Product of the unquantized operands on ``rows``."""
    expected: Float64
    """Product of the quantized operands on ``rows``."""
    weight_bits: float | None
    """Stored bits an element; None where it is not quantized."""
    activation_bits: float | None
    """The same; of values, in their own type, where the range is found with the product."""
    weight_sqnr_db: float | None
    activation_sqnr_db: float | None
    product: MatrixProduct = host_product
    dtype: str = "f32"
    """Type of the operands' values, and of the output where a kernel lets it be chosen."""
    epilogue: Epilogue = NOTHING
    bias: NDArray[np.float32] | None = None
    """[n]; None: there is none."""
    evaluate: Evaluate = on_host
    _rounded: dict[tuple[str, int], tuple[Float64, Any]] = field(default_factory=dict, init=False)
    """Products of operands as kernels take them, made when they are first asked for."""

    @property
    def m(self) -> int:
        return int(self.activation.values.shape[0])

    @property
    def n(self) -> int:
        return int(self.weight.values.shape[0])

    @property
    def k(self) -> int:
        return int(self.weight.values.shape[1])

    def expected_of(self, operands: str, weight_taken: NDArray[np.float32] | None = None) -> Float64:
        """Product on ``rows`` of the operands as a kernel takes them: what is not quantized rounded to that type."""
        if operands == "f32" and weight_taken is None:
            return self.expected
        key = (operands, id(weight_taken))
        if key not in self._rounded:
            kind = value_type(operands)
            given = self.weight if weight_taken is None else Prepared(weight_taken, None)
            activation, weight = (
                Prepared(kind.round(each.values), None) if each.quantized is None else each
                for each in (self.activation, given)
            )
            made = quantized_product(activation, weight, self.rows, self.product)
            self._rounded[key] = (made, weight_taken)  # which must outlive its id
        return self._rounded[key][0]

    def checked(self, values: NDArray[Any]) -> NDArray[Any]:
        """The ``rows`` of an array with a row for each of the output's."""
        return rows_of(values, self.rows)

    @property
    def output_scale(self) -> np.float32:
        """Of an int8 output."""
        return Following(self.epilogue, self.bias, self.expected).scale

    def following(self, output: Product) -> Following:
        """The output on ``rows``, of the operands as its kernel takes them."""
        return Following(self.epilogue, self.bias, self.expected_of(output.operands, output.weight_taken))

    def bound(self, output: Product) -> Bound:
        """Largest error that conforms, of a slice of the outputs on ``rows`` (counted along rows)."""
        following, kind = self.following(output), finfo(output.values.dtype)
        of_sums, expected = self.bound_in_f32(output), following.y.reshape(-1)

        def rounded(part: slice) -> Float64:
            bound = of_sums(part)
            if kind.bits < 32:
                half_unit = float(kind.eps) / 2 * (np.abs(expected[part]) + bound)
                bound = bound + np.maximum(half_unit, float(kind.smallest_subnormal) / 2)
            return bound

        return rounded

    def bound_in_f32(self, output: Product) -> Bound:
        """That of an f32 output."""
        following = self.following(output)
        return following.bound(self._bound_of_sums(output, following.acc.reshape(-1)))

    def _bound_of_sums(self, output: Product, expected: Float64) -> Bound:
        """Largest error of scaled sums in f32."""
        if output.sums == "exact":
            return lambda part: 4 * F32_ROUNDING * np.abs(expected[part])
        magnitude = self._magnitude.reshape(-1)
        relative = (self.k + 4) * F32_ROUNDING + output.weight_rounding
        if output.sums == "f32":
            if output.activation_rounding:
                return lambda part: (
                    relative * magnitude[part] + output.activation_rounding * self._of_largest.reshape(-1)[part]
                )
            return lambda part: relative * magnitude[part]
        of_unit = self._lost_promoted if output.sums == "fp8_promoted" else self._lost
        return lambda part: of_unit.reshape(-1)[part] + relative * magnitude[part]

    @functools.cached_property
    def _lost(self) -> Float64:
        return self._lost_within(self.k)

    @functools.cached_property
    def _lost_promoted(self) -> Float64:
        return self._lost_within(LINE)

    def _lost_within(self, line: int) -> Float64:
        of_codes = functools.partial(lost, line=line)
        return quantized_product(self.activation, self.weight, self.rows, lambda x, w: self.evaluate(of_codes, x, w))

    @functools.cached_property
    def _of_largest(self) -> Float64:
        """The largest |x̂| of each of ``rows`` times the sum of each |ŵ| row: [rows, n]."""
        x = np.abs(real_values(self.activation, self.rows)).max(axis=1, initial=0)
        largest: Float64 = x[:, None] * np.abs(real_values(self.weight)).sum(axis=1)
        return largest

    @functools.cached_property
    def _magnitude(self) -> Float64:
        """|x̂|·|ŵ|ᵀ on ``rows``. Another product: made once, though outputs are judged before and after timing."""

        def of_magnitudes(x: NDArray[Any], w: NDArray[Any]) -> Float64:
            return self.product(np.abs(x), np.abs(w))

        return quantized_product(self.activation, self.weight, self.rows, of_magnitudes)


class Gemm:
    """activation [m, k] · weight [n, k] transposed."""

    def problem(self, case: Case, tensors: Tensors) -> GemmProblem:
        activation, weight = tensors.operand(case, "activation"), tensors.operand(case, "weight")
        operands = {operand.role: operand for operand in case.operands}
        rows = sampled_rows(activation.values.shape[0], case.reference_rows, case.seed)
        key = (case.seed, case.shape, case.reference_rows)

        def exact() -> Float64:
            return tensors.product(rows_of(activation.values, rows), weight.values)

        def expected() -> Float64:
            return quantized_product(activation, weight, rows, tensors.product)

        def own_sqnr(role: str, prepared: Prepared) -> float | None:
            key_of_role = ("operand sqnr", key, role, operands[role].scheme)
            return tensors.cached(key_of_role, lambda: operand_sqnr(prepared), lambda _: 64)

        schemes = (operands["activation"].scheme, operands["weight"].scheme)
        reference = tensors.cached(("exact", key), exact, lambda array: int(array.nbytes))
        return GemmProblem(
            activation,
            weight,
            rows,
            reference,
            reference
            if schemes == (None, None)
            else tensors.cached(("expected", key, schemes), expected, lambda array: int(array.nbytes)),
            _bits(operands["weight"]),
            _bits_read(operands["activation"]),
            own_sqnr("weight", weight),
            own_sqnr("activation", activation),
            tensors.product,
            operands["activation"].dtype,
            case.epilogue,
            bias_of(case, weight.values.shape[0]),
            tensors.evaluate,
        )

    def judge(self, problem: GemmProblem, output: Product) -> Verdict:
        values = output.values
        if values.shape != (problem.m, problem.n):
            return Verdict(f"output has shape {values.shape}, expected {(problem.m, problem.n)}")
        if output.requantized is not None:
            return _judge_codes(problem, output)
        expected, bound = problem.following(output).y.reshape(-1), problem.bound(output)
        found = fit(problem.checked(values).reshape(-1), expected, bound, infinite_stays=output.sums != "exact")
        if found.first is None:
            return Verdict(bound_used=found.bound_used)
        at = found.first
        row = (int(problem.rows[at // problem.n]), at % problem.n)
        return Verdict(
            f"{found.exceed} of {expected.size} outputs exceed the bound for {output.sums} sums, the first at {row}: "
            f"{values[row]!r} for {expected[at]!r} ± {bound(slice(at, at + 1))[0]:.3g}"
        )

    def accuracy(self, problem: GemmProblem, output: Product) -> Described:
        tensors = (problem.weight.values, problem.activation.values)
        wanted = Following(problem.epilogue, problem.bias, problem.exact).y
        return {
            **described(Comparison(wanted, problem.checked(output.values))),
            "weight_sqnr_db": problem.weight_sqnr_db,
            "activation_sqnr_db": problem.activation_sqnr_db,
            "nan_count": sum(count_where(np.isnan, tensor) for tensor in tensors),
            "inf_count": sum(count_where(np.isinf, tensor) for tensor in tensors),
            "bits_per_element": problem.weight_bits or 8.0 * value_type(output.operands).bytes,
            "reference_rows": len(problem.rows),
        }

    def work(self, problem: GemmProblem, output: Product) -> Work:
        m, n, k = problem.m, problem.n, problem.k
        unquantized = 8.0 * value_type(output.operands).bytes
        read = n * k * (problem.weight_bits or unquantized) + m * k * (problem.activation_bits or unquantized)
        stored = output.values if output.requantized is None else output.requantized.codes
        return Work(int(read / 8) + stored.dtype.itemsize * m * n, 2 * m * n * k, int(read / 8))


def _bits_read(operand: Operand) -> float | None:
    if operand.scheme is not None and operand.scheme.range == "dynamic":
        return 8.0 * value_type(operand.dtype).bytes
    return _bits(operand)


def _bits(operand: Operand) -> float | None:
    if operand.scheme is None:
        return None
    return operand.scheme.bits_per_element(operand.shape, operand.channel_axis)


def _judge_codes(problem: GemmProblem, product: Product) -> Verdict:
    """By what follows the product; a kernel that requantizes of itself within one code of the oracle's: combining the scales
    moves a result near a tie to the other side."""
    output = product.requantized
    assert output is not None, "a product whose output is requantized"
    if problem.epilogue != NOTHING:
        following = problem.following(product)
        exact = product.sums == "exact" and problem.epilogue.row.roundings == 0
        codes, bound = problem.checked(output.codes), problem.bound_in_f32(product)
        return judge_codes(following, codes, bound, _exact_codes(problem, following) if exact else None)
    wanted = np.rint(problem.expected / output.scale) + output.zero_point
    wanted = np.clip(wanted, output.low, output.high)
    apart = np.abs(output.codes[problem.rows].astype(np.float64) - wanted)
    apart = np.where(np.isfinite(problem.expected), apart, 0)
    mismatches, worst = int(np.count_nonzero(apart)), int(apart.max(initial=0))
    if worst > 1:
        return Verdict(f"{mismatches} of {apart.size} output codes differ, by up to {worst}", mismatches)
    return Verdict(mismatches=mismatches)


def _exact_codes(problem: GemmProblem, following: Following) -> NDArray[np.int8]:
    x, x_scale = split_scale(problem.activation, problem.rows)
    w, w_scale = split_scale(problem.weight)
    assert x_scale is not None and w_scale is not None, "sums are exact where scales are those of rows"
    return codes_in_f32(following, problem.product(x, w), x_scale, w_scale.T)


def _product(problem: GemmProblem) -> Product:
    activation = problem.activation
    q = activation.quantized
    if q is not None and q.scheme.range == "dynamic":  # finding the range is part of the work
        activation = Prepared(activation.values, activation.quantized_anew())
    made = Following(problem.epilogue, problem.bias, quantized_product(activation, problem.weight)).y
    if problem.epilogue.output == "none":
        return Product(made, "exact")
    return requantized_product(problem, np.clip(np.rint(made / problem.output_scale), *LIMITS).astype(np.int8), "f32")


def requantized_product(problem: GemmProblem, codes: NDArray[np.int8], sums: Sums) -> Product:
    """What an int8 output stands for."""
    scale = problem.output_scale
    return Product(codes * scale, sums, OutputCodes(codes, float(scale), 0, *LIMITS))


REFERENCE = oracle_kernel(_product)
FAMILY = Gemm()
