"""Operations: what a suite can ask for. One row per op; its family folder holds oracle, specs and kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Extents = tuple[int, ...]


@dataclass(frozen=True)
class Op:
    """One operation.

    ``roles`` are its operands; of one-tensor ops the only role is ``tensor`` and its axes have no prefix.
    ``operand_shapes`` maps the extents of a suite's shape to the operands' shapes. ``family`` names the class that
    makes problems, holds the oracle and judges outputs (``module:attribute``, imported in the worker only). ``epilogue``:
    a bias, a function and a requantization may follow (axes of the output).
    """

    name: str
    roles: tuple[str, ...]
    operand_shapes: Callable[[Extents], Mapping[str, Extents]]
    family: str
    doc: str
    epilogue: bool = False

    @property
    def one_tensor(self) -> bool:
        return self.roles == ("tensor",)


def axis_prefix(role: str) -> str:
    """``weight.`` and the like; nothing for the tensor of a one-tensor op."""
    return "" if role == "tensor" else f"{role}."


def column_prefix(role: str) -> str:
    """``weight_`` and the like; nothing for the tensor of a one-tensor op."""
    return "" if role == "tensor" else f"{role}_"


def _tensor(extents: Extents) -> Mapping[str, Extents]:
    return {"tensor": extents}


def _product(extents: Extents) -> Mapping[str, Extents]:
    m, n, k = extents
    return {"weight": (n, k), "activation": (m, k)}


def _one_tensor(name: str, doc: str, family: str | None = None) -> Op:
    return Op(name, ("tensor",), _tensor, f"harness.kernels.{family or f'{name}.oracle:FAMILY'}", doc)


OPS: dict[str, Op] = {
    row.name: row
    for row in (
        _one_tensor("quantize", "values → codes"),
        _one_tensor("dequantize", "codes → values"),
        _one_tensor("fake_quantize", "values → values that codes can stand for"),
        _one_tensor(
            "ste_backward",
            "gradients through fake_quantize, straight through, with those of scales and zero points",
            "fake_quantize_backward.oracle:STE",
        ),
        _one_tensor(
            "lsq_backward",
            "gradients through fake_quantize by learned step size quantization (LSQ)",
            "fake_quantize_backward.oracle:LSQ",
        ),
        _one_tensor("statistics", "error statistics of a quantized tensor"),
        _one_tensor("calibration", "values → scales and zero points"),
        _one_tensor("fold_batch_norm", "convolution's weight and a batch normalisation → folded weight and bias"),
        Op(
            "gemm",
            ("weight", "activation"),
            _product,
            "harness.kernels.gemm.oracle:FAMILY",
            "activation [m, k] times weight [n, k] transposed",
            epilogue=True,
        ),
    )
}
