"""The tensors of a run: loaded, quantized and kept for the next case, within a budget of bytes."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.data.source import load
from harness.numerics.calibrate import calibrate
from harness.numerics.quantize import Quantized, encode, quantize
from harness.numerics.value_types import value_type

if TYPE_CHECKING:
    from harness.case import Case, Operand

Value = TypeVar("Value")
MatrixProduct = Callable[[NDArray[Any], NDArray[Any]], NDArray[np.float64]]
"""``a`` [m, k] times ``b`` [n, k] transposed, in float64."""
Evaluate = Callable[..., NDArray[np.float64]]
"""A function and host arrays → its result. It may be given arrays of CuPy in their place, and gives the like."""
_BUDGET_BYTES = 2 << 30


@dataclass(frozen=True, eq=False)
class Prepared:
    """An operand as its case sees it: the values, and their quantization where there is one."""

    values: NDArray[np.float32]
    quantized: Quantized | None

    @property
    def finite(self) -> NDArray[np.float32]:
        """The values with 0 where NaN or Inf stood, as the oracle quantized them."""
        if self.quantized is None or self.quantized.invalid is None:
            return self.values
        return np.where(self.quantized.invalid, np.float32(0), self.values)

    def quantized_anew(self) -> Quantized:
        """Codes by the definition, as a kernel has to make them: a dynamic range is found here too."""
        q, values = self.quantized, self.finite
        assert q is not None, "planned for a quantized operand"
        params = calibrate(values, q.scheme, q.tiling) if q.scheme.range == "dynamic" else q.params
        return dataclasses.replace(q, params=params, codes=encode(values, q.scheme, q.tiling, params))


class Tensors:
    """Least recently used first out. Neighbouring cases share shapes, so most loads and calibrations happen once."""

    def __init__(
        self,
        *,
        offline: bool = False,
        budget_bytes: int = _BUDGET_BYTES,
        product: MatrixProduct | None = None,
        evaluate: Evaluate | None = None,
    ) -> None:
        self.product = product or host_product
        """How references of products are made: by NumPy, or on the device, which changes nothing but the time."""
        self.evaluate = evaluate or on_host
        """The same of what is more than a product."""
        self._offline = offline
        self._budget = budget_bytes
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def operand(self, case: Case, role: str) -> Prepared:
        """The operand of that role, quantized by its scheme."""
        operand = next(each for each in case.operands if each.role == role)
        key = (case.seed, case.shape.name, operand)
        values = self.values(case, operand)
        if operand.scheme is None:
            return Prepared(values, None)
        scheme = operand.scheme

        def make() -> Quantized:
            return quantize(values, scheme, channel_axis=operand.channel_axis, non_finite="mask")

        return Prepared(values, self.cached(("quantized", key), make, lambda q: int(q.codes.nbytes) + 64))

    def values(self, case: Case, operand: Operand) -> NDArray[np.float32]:
        """The unquantized tensor, f32, its values those of the operand's type. Depends on seed, shape and role only."""

        def make() -> NDArray[np.float32]:
            values = load(
                operand.source,
                operand.shape,
                seed=case.seed,
                role=operand.role,
                shape_name=case.shape.name,
                offline=self._offline,
            )
            return value_type(operand.dtype).round(values)

        key = ("values", case.seed, case.shape.name, operand.role, operand.shape, operand.source, operand.dtype)
        return self.cached(key, make, lambda array: int(array.nbytes))

    def cached(self, key: Hashable, make: Callable[[], Value], size: Callable[[Value], int]) -> Value:
        """The value under ``key``, made where it is not held."""
        if key in self._held:
            self._held.move_to_end(key)
            value: Value = self._held[key][0]
            return value
        made = make()
        cost = size(made)
        self._held[key] = (made, cost)
        self._bytes += cost
        while self._bytes > self._budget and len(self._held) > 1:
            self._bytes -= self._held.popitem(last=False)[1][1]
        return made


def on_host(function: Callable[..., NDArray[np.float64]], *arrays: NDArray[Any]) -> NDArray[np.float64]:
    """``function`` of ``arrays`` by NumPy."""
    with np.errstate(invalid="ignore"):
        return function(*arrays)


def host_product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """``a`` [m, k] times ``b`` [n, k] transposed, in float64 by NumPy."""
    with np.errstate(invalid="ignore"):
        product: NDArray[np.float64] = a.astype(np.float64, copy=False) @ b.astype(np.float64, copy=False).T
    return product
