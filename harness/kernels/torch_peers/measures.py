"""statistics as a user of PyTorch would spell it: sums in float64, the place of the largest error, the histogram of codes."""

from __future__ import annotations

from typing import Any

from harness.kernels.torch_peers.functions import Blocks, Function, Target

_EXACT_COUNTS = 1 << 24
"""Elements that ``torch.histc`` counts in f32 without rounding."""


def statistics(blocks: Blocks, target: Target, lowest: float, highest: float, codes_of_format: int) -> Function:
    """x, codes, scales, zeros → the figures of ``statistics/tally.cuh`` in ``total``, and counts of codes.

    ``lowest`` and ``highest``: what lies outside is saturated, in units of the scale.
    """

    def function(x: Any, codes: Any, scales: Any, zeros: Any, total: Any, counts: Any) -> None:
        import torch

        scale, zero = scales.view(blocks.scales), zeros.view(blocks.scales)
        v = x.view(blocks.values).float()
        decoded = target.decode(target.load(codes).view(blocks.values), scale, zero)
        scaled = v / scale + zero if target.asymmetric else v / scale
        finite = torch.isfinite(v)
        valid = finite & torch.isfinite(decoded)
        saturated = ((scaled > highest) | (scaled < lowest)) & finite
        error = torch.where(valid, (decoded.double() - v.double()).abs(), 0.0)
        squares = error * error
        signal = torch.where(valid, v.double(), 0.0)
        largest, at = error.view(-1).max(0)  # of equal ones the first
        in_blocks = valid.sum(blocks.inner)
        block_means = torch.where(in_blocks > 0, squares.sum(blocks.inner) / in_blocks, -1.0)
        worst_mean, worst = block_means.view(-1).max(0)
        figures = (
            torch.where(saturated, 0.0, squares).sum(),
            torch.where(saturated, squares, 0.0).sum(),
            (signal * signal).sum(),
            saturated.sum(),
            torch.isnan(v).sum(),
            torch.isinf(v).sum(),
            (~valid).sum(),
            largest,
            at,
            worst_mean,
            worst,
        )
        total.copy_(torch.stack([figure.double() for figure in figures]))
        counts.copy_(_histogram(_patterns(codes, target), codes_of_format))

    return function


def _patterns(codes: Any, target: Target) -> Any:
    """The bits of each code as an unsigned number, flat."""
    import torch

    if target.packed:
        return torch.stack((codes & 15, codes >> 4), -1).view(-1)
    return codes.view(torch.uint8).view(-1)


def _histogram(patterns: Any, numbers: int) -> Any:
    """``torch.histc`` counts in the type of its values: parts that f32 counts exactly are added up as integers. ``bincount``
    would wait for the device, to learn the largest."""
    import torch

    parts = (torch.histc(part.float(), numbers, 0, numbers) for part in patterns.split(_EXACT_COUNTS))
    return torch.stack([part.int() for part in parts]).sum(0)
