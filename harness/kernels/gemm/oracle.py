"""Oracle of gemm: y = x̂ · ŵᵀ on the quantized operands, in float64, on sampled rows where m is large.

Codes minus zero points are whole numbers and scales f32, so float64 holds integer products exactly while
k · 255² < 2^53: integer kernels are held to the exact sums, times their scales, within four f32 roundings. Kernels that
accumulate in f32 are held to the bound of any summation order, (k + 4)·2⁻²⁴·|x̂|·|ŵ|ᵀ
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). A kernel that takes its unquantized operands
in a narrower type is held to the product of the operands in that type; one that gives its output in a narrower type may
round it once more, by half a unit of that type. Where an operand is infinite or NaN in the type that a kernel takes it in,
sums in f32 must not come out finite.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.family import Metrics, Verdict, Work
from harness.kernels.tensors import MatrixProduct, Prepared, host_product
from harness.numerics.metrics import Comparison, decibel, evaluate
from harness.numerics.quantize import dequantize
from harness.numerics.scales import Scales
from harness.numerics.value_types import value_type

if TYPE_CHECKING:
    from harness.case import Case, Operand
    from harness.kernels.tensors import Tensors

Float64 = NDArray[np.float64]
F32_ROUNDING = 2.0**-24


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
    sums: Literal["exact", "f32"]
    requantized: OutputCodes | None = None
    operands: str = "f32"


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
    weight_sqnr_db: float | None
    activation_sqnr_db: float | None
    product: MatrixProduct = host_product

    @property
    def m(self) -> int:
        return int(self.activation.values.shape[0])

    @property
    def n(self) -> int:
        return int(self.weight.values.shape[0])

    @property
    def k(self) -> int:
        return int(self.weight.values.shape[1])

    def expected_of(self, operands: str) -> Float64:
        """Product on ``rows`` of the operands as a kernel takes them: what is not quantized rounded to that type."""
        return self.expected if operands == "f32" else self._rounded[operands]

    def bound(self, output: Product) -> Float64:
        """Largest error of each output on ``rows`` that conforms."""
        expected = np.abs(self.expected_of(output.operands))
        if output.sums == "exact":
            return 4 * F32_ROUNDING * expected
        bound = (self.k + 4) * F32_ROUNDING * self._magnitude
        if output.values.dtype.itemsize < 4:
            kind = np.finfo(output.values.dtype)
            half_unit = float(kind.eps) / 2 * (expected + bound)
            bound = bound + np.maximum(half_unit, float(kind.smallest_subnormal) / 2)
        return bound

    @functools.cached_property
    def _rounded(self) -> _RoundedProducts:
        return _RoundedProducts(self)

    @functools.cached_property
    def _magnitude(self) -> Float64:
        """|x̂|·|ŵ|ᵀ on ``rows``. Another product: made once, though outputs are judged before and after timing."""
        return self.product(np.abs(real_values(self.activation, self.rows)), np.abs(real_values(self.weight)))


class _RoundedProducts(dict[str, Float64]):
    """Type → the product of operands in that type, made when it is first asked for."""

    def __init__(self, problem: GemmProblem) -> None:
        super().__init__()
        self._problem = problem

    def __missing__(self, name: str) -> Float64:
        problem, kind = self._problem, value_type(name)
        activation, weight = (
            Prepared(kind.round(each.values), None) if each.quantized is None else each
            for each in (problem.activation, problem.weight)
        )
        self[name] = made = quantized_product(activation, weight, problem.rows, problem.product)
        return made


class Gemm:
    """activation [m, k] · weight [n, k] transposed."""

    def problem(self, case: Case, tensors: Tensors) -> GemmProblem:
        activation, weight = tensors.operand(case, "activation"), tensors.operand(case, "weight")
        operands = {operand.role: operand for operand in case.operands}
        rows = sampled_rows(activation.values.shape[0], case.reference_rows, case.seed)
        key = (case.seed, case.shape, case.reference_rows)

        def exact() -> Float64:
            return tensors.product(activation.values[rows], weight.values)

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
            _bits(operands["activation"]),
            own_sqnr("weight", weight),
            own_sqnr("activation", activation),
            tensors.product,
        )

    def judge(self, problem: GemmProblem, output: Product) -> Verdict:
        values = output.values
        if values.shape != (problem.m, problem.n):
            return Verdict(f"output has shape {values.shape}, expected {(problem.m, problem.n)}")
        if output.requantized is not None:
            return _judge_codes(problem, output.requantized)
        expected, bound = problem.expected_of(output.operands), problem.bound(output)
        with np.errstate(invalid="ignore"):
            error = np.abs(values[problem.rows].astype(np.float64) - expected)
            wrong = np.isfinite(expected) & ~(error <= bound)
            wrong &= ~_overflowed(values[problem.rows], expected, bound)
            if output.sums == "f32":
                wrong |= ~np.isfinite(expected) & np.isfinite(values[problem.rows])
        if not wrong.any():
            return Verdict(bound_used=_largest_share(error, bound))
        at = tuple(int(index) for index in np.argwhere(wrong)[0])
        row = (int(problem.rows[at[0]]), at[1])
        return Verdict(
            f"{int(wrong.sum())} of {wrong.size} outputs exceed the bound for {output.sums} sums, the first at {row}: "
            f"{values[row]!r} for {expected[at]!r} ± {bound[at]:.3g}"
        )

    def accuracy(self, problem: GemmProblem, output: Product) -> Metrics:
        tensors = (problem.weight.values, problem.activation.values)
        return {
            **evaluate(Comparison(problem.exact, output.values[problem.rows])),
            "weight_sqnr_db": problem.weight_sqnr_db,
            "activation_sqnr_db": problem.activation_sqnr_db,
            "nan_count": sum(int(np.count_nonzero(np.isnan(tensor))) for tensor in tensors),
            "inf_count": sum(int(np.count_nonzero(np.isinf(tensor))) for tensor in tensors),
            "bits_per_element": problem.weight_bits or 8.0 * value_type(output.operands).bytes,
            "reference_rows": len(problem.rows),
        }

    def work(self, problem: GemmProblem, output: Product) -> Work:
        m, n, k = problem.m, problem.n, problem.k
        unquantized = 8.0 * value_type(output.operands).bytes
        read = n * k * (problem.weight_bits or unquantized) + m * k * (problem.activation_bits or unquantized)
        return Work(int(read / 8) + output.values.dtype.itemsize * m * n, 2 * m * n * k)


def _overflowed(values: NDArray[Any], expected: Float64, bound: Float64) -> NDArray[np.bool_]:
    """Where Inf is right: the result, or what the bound makes of it, is beyond the output's type."""
    largest = float(np.finfo(values.dtype).max)
    right: NDArray[np.bool_] = (
        np.isinf(values) & (np.sign(values) == np.sign(expected)) & (np.abs(expected) + bound >= largest)
    )
    return right


def _largest_share(error: Float64, bound: Float64) -> float:
    """The largest error over its bound, where both are finite and the error is not 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(error > 0, error / bound, 0.0)
    return float(np.max(share, initial=0.0, where=np.isfinite(share)))


def sampled_rows(m: int, limit: int, seed: int) -> NDArray[np.int64]:
    """All rows, or ``limit`` of them chosen by the seed, in order."""
    if m <= limit:
        return np.arange(m)
    return np.sort(np.random.default_rng([seed, m]).choice(m, limit, replace=False))


def real_values(prepared: Prepared, rows: NDArray[np.int64] | None = None) -> Float64:
    """What the operand's codes stand for, in float64 without intermediate rounding (the values where unquantized)."""
    q = prepared.quantized
    if q is None:
        return (prepared.values if rows is None else prepared.values[rows]).astype(np.float64)
    cut = slice(None) if rows is None else rows

    def along(grid: NDArray[Any]) -> NDArray[Any]:
        expanded = q.tiling.expand(grid)
        return expanded[cut] if expanded.shape[0] > 1 else expanded

    values: Float64 = q.scheme.element.decode(q.codes[cut]).astype(np.float64)
    if q.params.zero_point is not None:
        values -= along(q.params.zero_point)
    values *= along(q.params.scale)
    if q.invalid is not None:
        values[q.invalid[cut]] = np.nan
    return values


def quantized_product(
    activation: Prepared,
    weight: Prepared,
    rows: NDArray[np.int64] | None = None,
    product: MatrixProduct = host_product,
) -> Float64:
    """x̂ · ŵᵀ. Scales that are the same all along k are applied after the sums, so that whole numbers add up exactly."""
    x, x_scale = _split_scale(activation, rows)
    w, w_scale = _split_scale(weight)
    return product(x, w) * x_scale * w_scale.T


def _split_scale(prepared: Prepared, rows: NDArray[np.int64] | None = None) -> tuple[Float64, Float64]:
    """(values, scale [rows or 1, 1]) whose product is ``real_values``; scale 1 where it varies along k."""
    q = prepared.quantized
    if q is None or q.tiling.grid[1] > 1:
        return real_values(prepared, rows), np.ones((1, 1))
    unit = dataclasses.replace(q.params, scales=Scales(np.ones_like(q.params.scale)))
    values = real_values(Prepared(prepared.values, dataclasses.replace(q, params=unit)), rows)
    scale = np.broadcast_to(q.tiling.expand(q.params.scale), (q.tiling.shape[0], 1)).astype(np.float64)
    return values, scale if rows is None else scale[rows]


def operand_sqnr(prepared: Prepared) -> float | None:
    """SQNR of the operand itself; None where it is not quantized."""
    if prepared.quantized is None:
        return None
    comparison = Comparison(prepared.values, dequantize(prepared.quantized))
    return decibel(comparison.signal_power, comparison.noise_power)


def _bits(operand: Operand) -> float | None:
    if operand.scheme is None:
        return None
    return operand.scheme.bits_per_element(operand.shape, operand.channel_axis)


def _judge_codes(problem: GemmProblem, output: OutputCodes) -> Verdict:
    """Within one code of the oracle's: combining the scales moves a result near a tie to the other side."""
    wanted = np.rint(problem.expected / output.scale) + output.zero_point
    wanted = np.clip(wanted, output.low, output.high)
    apart = np.abs(output.codes[problem.rows].astype(np.float64) - wanted)
    apart = np.where(np.isfinite(problem.expected), apart, 0)
    mismatches, worst = int(np.count_nonzero(apart)), int(apart.max(initial=0))
    if worst > 1:
        return Verdict(f"{mismatches} of {apart.size} output codes differ, by up to {worst}", mismatches)
    return Verdict(mismatches=mismatches)


def _product(problem: GemmProblem) -> Product:
    activation = problem.activation
    q = activation.quantized
    if q is not None and q.scheme.range == "dynamic":  # finding the range is part of the work
        activation = Prepared(activation.values, activation.quantized_anew())
    return Product(quantized_product(activation, problem.weight), "exact")


REFERENCE = oracle_kernel(_product)
FAMILY = Gemm()
