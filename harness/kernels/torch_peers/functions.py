"""The memory-bound ops as a user of PyTorch would spell them: functions of tensors that write their outputs in place.

Every function reaches its operands blocked (``Blocks``), so that one spelling serves every granularity. Divisors are tensors:
eager PyTorch multiplies by the reciprocal of a Python number, and then codes differ from those of a division.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.numerics.granularity import Tiling

Function = Callable[..., None]


@dataclass(frozen=True)
class Blocks:
    """A tensor's extents with its scale blocks' apart ([grid, block] for each axis), and those of their scales."""

    values: tuple[int, ...]
    scales: tuple[int, ...]

    @classmethod
    def of(cls, tiling: Tiling) -> Blocks:
        """For a tiling whose blocks are all of one size."""
        pairs = list(zip(tiling.grid, tiling.block, strict=True))
        return cls(tuple(n for pair in pairs for n in pair), tuple(n for grid, _ in pairs for n in (grid, 1)))

    @property
    def inner(self) -> tuple[int, ...]:
        """The axes within blocks."""
        return tuple(range(1, len(self.values), 2))

    @property
    def elements(self) -> int:
        """Of a block."""
        return math.prod(self.values[1::2])


@dataclass(frozen=True)
class Target:
    """What values become: codes from ``low`` to ``high``, rounded to integers or (``float8``: torch's name) to that type;
    ``packed``: two of 4 bits to a byte. ``asymmetric``: with zero points."""

    low: float
    high: float
    asymmetric: bool = False
    packed: bool = False
    float8: str = ""

    def encode(self, x: Any, scale: Any, zero: Any) -> Any:
        """Values in f32 → codes in f32 (of fp8: the values to convert)."""
        import torch

        v = x / scale
        if self.float8:
            return torch.clamp(v, self.low, self.high)
        v = torch.round(v)
        return torch.clamp(v + zero if self.asymmetric else v, self.low, self.high)

    def decode(self, q: Any, scale: Any, zero: Any) -> Any:
        """Codes in f32 → values in f32."""
        return (q - zero if self.asymmetric else q) * scale

    def store(self, q: Any, codes: Any) -> None:
        """Codes in f32, of any shape, into the output."""
        import torch

        if self.float8:
            codes.copy_(q.to(getattr(torch, self.float8)).view(codes.shape))
        elif self.packed:
            pairs = q.to(torch.int8).view(-1, 2)
            codes.copy_(((pairs[:, 0] & 15) | (pairs[:, 1] << 4)).view(torch.uint8))
        else:
            codes.copy_(q.to(codes.dtype).view(codes.shape))

    def load(self, codes: Any) -> Any:
        """Codes as f32, flat."""
        import torch

        if not self.packed:
            return codes.float()
        low, high = codes & 15, codes >> 4
        q = torch.stack((low, high), -1).to(torch.int8)
        return (torch.where(q > 7, q - 16, q) if self.low < 0 else q).float()


def quantize(blocks: Blocks, target: Target) -> Function:
    """x, scales, zeros → codes."""

    def function(x: Any, scales: Any, zeros: Any, codes: Any) -> None:
        scale, zero = scales.view(blocks.scales), zeros.view(blocks.scales)
        target.store(target.encode(x.view(blocks.values).float(), scale, zero), codes)

    return function


def quantize_dynamic(blocks: Blocks, target: Target) -> Function:
    """x → codes, scales and zero points; ``steps`` is the scale's divisor."""

    def function(x: Any, steps: Any, codes: Any, scales: Any, zeros: Any) -> None:
        import torch

        v = x.view(blocks.values).float()
        if target.asymmetric:
            low = torch.clamp(v.amin(blocks.inner, keepdim=True), max=0.0)
            extent = torch.clamp(v.amax(blocks.inner, keepdim=True), min=0.0) - low
        else:
            extent = v.abs().amax(blocks.inner, keepdim=True)
        scale = torch.where(extent == 0, 1.0, extent / steps)
        zero = (
            torch.clamp(torch.round(target.low - low / scale), target.low, target.high) if target.asymmetric else None
        )
        target.store(target.encode(v, scale, zero), codes)
        scales.copy_(scale.view(scales.shape))
        if zero is not None:
            zeros.copy_(zero.view(zeros.shape))

    return function


def dequantize(blocks: Blocks, target: Target) -> Function:
    """codes, scales, zeros → values."""

    def function(codes: Any, scales: Any, zeros: Any, y: Any) -> None:
        scale, zero = scales.view(blocks.scales), zeros.view(blocks.scales)
        y.copy_(target.decode(target.load(codes).view(blocks.values), scale, zero).to(y.dtype).view(y.shape))

    return function


def fake_quantize(blocks: Blocks, target: Target) -> Function:
    """x, scales, zeros → values that codes can stand for."""

    def function(x: Any, scales: Any, zeros: Any, y: Any) -> None:
        scale, zero = scales.view(blocks.scales), zeros.view(blocks.scales)
        q = target.encode(x.view(blocks.values).float(), scale, zero)
        if target.float8:
            import torch

            q = q.to(getattr(torch, target.float8)).float()
        y.copy_(target.decode(q, scale, zero).to(y.dtype).view(y.shape))

    return function


def ste_backward(blocks: Blocks, target: Target) -> Function:
    """x, upstream, scales, zeros → gradients by values, scales and zero points, straight through."""

    def function(x: Any, upstream: Any, scales: Any, zeros: Any, made: Any, by_scale: Any, by_zero: Any) -> None:
        import torch

        scale, zero = scales.view(blocks.scales), zeros.view(blocks.scales)
        v = x.view(blocks.values).float() / scale
        g = upstream.view(blocks.values).float()
        rounded = torch.round(v)
        code = rounded + zero
        inside = (code >= target.low) & (code <= target.high)
        made.copy_(torch.where(inside, g, 0.0).to(made.dtype).view(made.shape))
        slope = torch.where(inside, rounded - v, torch.where(code < target.low, target.low - zero, target.high - zero))
        by_scale.copy_((g * slope).sum(blocks.inner).view(by_scale.shape))
        if target.asymmetric:
            by_zero.copy_(torch.where(inside, 0.0, -scale * g).sum(blocks.inner).view(by_zero.shape))

    return function


def lsq_backward(blocks: Blocks, target: Target) -> Function:
    """x, upstream, scales → gradients by values and scales, by LSQ's rule."""
    factor = 1 / math.sqrt(blocks.elements * target.high)

    def function(x: Any, upstream: Any, scales: Any, zeros: Any, made: Any, by_scale: Any, by_zero: Any) -> None:
        import torch

        v = x.view(blocks.values).float() / scales.view(blocks.scales)
        g = upstream.view(blocks.values).float()
        below, above = v <= target.low, v >= target.high
        inside = ~(below | above)
        made.copy_(torch.where(inside, g, 0.0).to(made.dtype).view(made.shape))
        slope = torch.where(inside, torch.round(v) - v, torch.where(below, target.low, target.high))
        by_scale.copy_((g * slope).sum(blocks.inner).view(by_scale.shape) * factor)

    return function
