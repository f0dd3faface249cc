"""calibration as a user of PyTorch would spell it: ranges by ``aminmax``, order statistics by ``topk``, ``kthvalue`` or ``sort``,
thresholds of least KL divergence by tables of every candidate.

Arithmetic is f32 as PyTorch has it: differences of values beyond 1.7e38 are infinite here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from harness.kernels.torch_peers.functions import Blocks, Function

Select = Literal["topk", "kthvalue", "sort"]
_LEAST = 2.0**-126
_EPSILON, _TIE, _TINY = 1e-4, 1e-9, 1e-300
"""As in ``harness/numerics/kl_search.py``."""


@dataclass(frozen=True)
class Coding:
    """What ranges become scales for. ``low`` and ``high``: the codes' ends; ``unsigned``: magnitudes are of max(x, 0)."""

    low: float
    high: float
    asymmetric: bool
    unsigned: bool

    def amplitude(self, x: Any) -> Any:
        """Magnitudes whose largest is the amplitude of a symmetric range."""
        return x.clamp(min=0) if self.unsigned else x.abs()

    def of_range(self, low: Any, high: Any) -> tuple[Any, Any]:
        """(extent, low end) in f32, of ranges made to include 0; symmetric: (amplitude, anything)."""
        import torch

        low, high = low.float(), high.float()
        if not self.asymmetric:
            return (high if self.unsigned else torch.maximum(high, -low)).clamp(min=0), low
        low = low.clamp(max=0)
        return high.clamp(min=0) - low, low

    def store(self, extent: Any, low: Any, steps: Any, scales: Any, zeros: Any) -> None:
        """Scales, and zero points, of flat extents."""
        import torch

        scale = torch.where(extent == 0, 1.0, (extent / steps).clamp(min=_LEAST))
        scales.copy_(scale.view(scales.shape))
        if self.asymmetric:
            zeros.copy_(torch.clamp(torch.round(self.low - low / scale), self.low, self.high).view(zeros.shape))


def rows(x: Any, blocks: Blocks) -> Any:
    """[blocks, elements]: a view where blocks are runs of memory, else a copy."""
    axes = range(len(blocks.values) // 2)
    return x.view(blocks.values).permute([2 * a for a in axes] + [2 * a + 1 for a in axes]).reshape(-1, blocks.elements)


def minmax(blocks: Blocks, coding: Coding) -> Function:
    """x → scales and zero points of the observed range, by ``aminmax``."""

    def function(x: Any, steps: Any, scales: Any, zeros: Any) -> None:
        low, high = rows(x, blocks).aminmax(dim=1)
        coding.store(*coding.of_range(low, high), steps, scales, zeros)

    return function


def moving_minmax(blocks: Blocks, coding: Coding, batch: int, weight: float) -> Function:
    """The same of the moving average of the ranges of batches of ``batch`` elements, as PyTorch's observers have it."""

    def function(x: Any, steps: Any, scales: Any, zeros: Any) -> None:
        import torch

        each = rows(x, blocks)
        whole = blocks.elements // batch
        found = [torch.aminmax(each[:, : whole * batch].reshape(-1, whole, batch), dim=2)]
        lows, highs = (list(ends.float().unbind(1)) for ends in found[0])
        if blocks.elements % batch:
            low, high = each[:, whole * batch :].aminmax(dim=1)
            lows.append(low.float())
            highs.append(high.float())
        if coding.unsigned:
            highs = [high.clamp(min=0) for high in highs]
        low, high = lows[0], highs[0]
        for next_low, next_high in zip(lows[1:], highs[1:], strict=True):
            low = low + weight * (next_low - low)
            high = high + weight * (next_high - high)
        coding.store(*coding.of_range(low, high), steps, scales, zeros)

    return function


def percentile(blocks: Blocks, coding: Coding, select: Select, high_rank: int, low_rank: int) -> Function:
    """The same of order statistics, ranks counted from 1; ``low_rank`` is that of asymmetric schemes' low end."""
    statistic = _STATISTICS[select]

    def function(x: Any, steps: Any, scales: Any, zeros: Any) -> None:
        each = rows(x, blocks)
        if coding.asymmetric:
            low, high = statistic(each, (low_rank, high_rank))
            coding.store(*coding.of_range(low, high), steps, scales, zeros)
        else:
            (high,) = statistic(coding.amplitude(each), (high_rank,))
            coding.store(high.float(), high, steps, scales, zeros)

    return function


def _by_topk(each: Any, ranks: tuple[int, ...]) -> list[Any]:
    """From the nearer end."""
    count = each.shape[1]

    def one(rank: int) -> Any:
        if 2 * rank > count:
            return each.topk(count - rank + 1, dim=1, sorted=False).values.amin(1)
        return each.topk(rank, dim=1, largest=False, sorted=False).values.amax(1)

    return [one(rank) for rank in ranks]


def _by_kthvalue(each: Any, ranks: tuple[int, ...]) -> list[Any]:
    return [each.kthvalue(rank, dim=1).values for rank in ranks]


def _by_sort(each: Any, ranks: tuple[int, ...]) -> list[Any]:
    ordered = each.sort(dim=1).values
    return [ordered[:, rank - 1] for rank in ranks]


_STATISTICS: dict[Select, Callable[[Any, tuple[int, ...]], list[Any]]] = {
    "topk": _by_topk,
    "kthvalue": _by_kthvalue,
    "sort": _by_sort,
}


def kl(blocks: Blocks, coding: Coding, bins: int, levels: int) -> Function:
    """The same of the amplitude of least KL divergence, symmetric: the divergences of all thresholds at once, in float64.

    Its histogram is no ``histc``: that divides in f32, and takes the range as a number of the host's.
    """

    def function(x: Any, steps: Any, scales: Any, zeros: Any) -> None:
        import torch

        magnitudes = coding.amplitude(rows(x, blocks)).double()
        top = magnitudes.amax(1, keepdim=True)
        width = torch.where(top > 0, top, 1.0) / bins
        slots = (magnitudes / width).long().clamp(max=bins - 1)
        ones = torch.ones((1, 1), dtype=torch.int32, device=x.device).expand_as(slots)
        counts = torch.zeros((slots.shape[0], bins), dtype=torch.int32, device=x.device).scatter_add_(1, slots, ones)
        kept = torch.arange(levels, bins + 1, device=x.device)
        divergences = _divergences(counts.double(), kept, levels)
        tied = divergences <= divergences.amin(1, keepdim=True) + _TIE
        best = torch.where(tied, kept, 0).amax(1, keepdim=True)
        amplitude = torch.where(best == bins, top, best * width).float().view(-1)
        coding.store(amplitude, amplitude, steps, scales, zeros)

    return function


def _divergences(counts: Any, kept: Any, levels: int) -> Any:
    """Nats [blocks, candidates] of histograms [blocks, bins] of which the first ``kept`` bins are kept, from sums over the
    first bins (``PrefixSums`` of ``harness/numerics/kl_search.py``)."""
    import torch

    def before(values: Any) -> Any:
        return torch.nn.functional.pad(values.cumsum(1), (1, 0))

    def entropy(values: Any) -> Any:
        return values * values.clamp(min=_TINY).log()

    first = (torch.arange(levels + 1, device=counts.device) * kept[:, None] + (levels - 1)) // levels
    mass_before, filled_before = before(counts), before((counts > 0).double())
    mass, filled = mass_before[:, first].diff(dim=2), filled_before[:, first].diff(dim=2)
    inside, whole = mass_before[:, kept], mass_before[:, -1:]
    edge, outliers = counts[:, kept - 1], whole - inside
    edge_alone = (edge == 0) & (outliers > 0)
    filled = torch.cat((filled[..., :-1], filled[..., -1:] + edge_alone[..., None]), dim=2)
    starved = (mass[..., -1] == 0) & (outliers > 0)
    q = (mass + _TINY) / (filled + _TINY)
    taken = torch.where(starved, _EPSILON / filled_before[:, kept].clamp(min=1), 0.0)
    log_q = (q - taken[..., None]).clamp(min=_TINY).log()
    log_edge = torch.where(starved, torch.full_like(inside, _EPSILON).log(), log_q[..., -1])
    p_log_q = (mass * log_q).sum(2) + outliers * log_edge
    p_log_p = before(entropy(counts))[:, kept - 1] + entropy(edge + outliers)
    safe = whole.clamp(min=1)
    divergence = (p_log_p - p_log_q) / safe - safe.log() + inside.clamp(min=1).log()
    return torch.where((inside == 0) & (whole > 0), torch.inf, divergence)
