"""Clipping thresholds of least Kullback-Leibler divergence between a histogram and its quantized self.

The method is that of S. Migacz, 8-bit Inference with TensorRT (GTC 2017). ``counts`` is a histogram of |x| over equal
bins; a candidate keeps the first i bins, with ``levels`` <= i <= bins:

- P is counts[:i], with the mass of all bins beyond added to its edge, the last bin.
- Q knows nothing of those outliers. The i bins are dealt to ``levels`` levels, bin j to level floor(j * levels / i),
  and the mass of counts[:i] in each level is spread evenly over those of its bins where P is not zero.
- Where Q alone is zero (the edge, if no bin of its level holds anything but outliers) it is given EPSILON counts, taken
  evenly from the bins where Q is not zero. Elsewhere nothing is smoothed: bins where both are zero add nothing.
- Both are normalised, and the divergence is sum p ln(p / q), in nats. It is infinite if counts[:i] is empty.

Smoothing acts on counts, and only where the divergence would be infinite without it, so P = [1, 0, 2, 3, 5, 3, 1, 7] and
2 levels give Q = [2, 0, 2, 2, 4, 4, 4, 4] and 0.15032 nats as they stand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import SchemeError
from harness.numerics.parallel import map_threads

Floats = NDArray[np.float64]

EPSILON = 1e-4
# Divergences this close, in nats, count as ties: well above the rounding of either way to compute them.
TIE = 1e-9
# Histograms that one thread works on at a time: its arrays of 128 levels then take 128 KiB each and stay in cache.
CHUNK_BLOCKS = 128
# Stands for zero in logarithms: vanishes beside a count, and times its own logarithm is nothing.
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class KlCurve:
    """Divergence of every candidate of one histogram: bins kept, and nats (inf where nothing is kept), [n] each."""

    kept: NDArray[np.int64]
    divergence: Floats

    def best(self) -> int:
        """The number of bins kept that diverges least; of ties the largest, which clips least."""
        return int(self.kept[np.flatnonzero(self.divergence <= self.divergence.min() + TIE)[-1]])


def kl_divergences(counts: Floats, levels: int) -> KlCurve:
    """The divergence of each candidate for one histogram ``counts`` [bins], bin by bin as the definition reads.

    Raises SchemeError as ``kl_thresholds`` does.
    """
    _check(counts[None], levels)
    kept = np.arange(levels, len(counts) + 1)
    return KlCurve(kept, np.array([_divergence(counts, int(i), levels) for i in kept]))


def _divergence(counts: Floats, kept: int, levels: int) -> float:
    inside = counts[:kept]
    if not inside.any():
        return float("inf") if counts.any() else 0.0
    p = inside.copy()
    p[-1] += counts[kept:].sum()
    support = p > 0
    level = np.arange(kept) * levels // kept
    mass = np.bincount(level, inside, levels)
    bins = np.bincount(level, support, levels)
    q = np.where(support, mass[level] / np.maximum(bins[level], 1), 0.0)
    starved = support & (q == 0)
    if starved.any():
        q[q > 0] -= EPSILON * np.count_nonzero(starved) / np.count_nonzero(q)
        q[starved] = EPSILON
    p, q = p[support] / p.sum(), q[support] / q.sum()
    return float(np.sum(p * np.log(p / q)))


def kl_thresholds(counts: Floats, levels: int) -> NDArray[np.int64]:
    """The number of leading bins to keep [B], in levels … bins, of least divergence for each row of ``counts``.

    ``counts`` [B, bins] are numbers of elements. Ties keep the most bins, and so does an empty histogram. Raises
    SchemeError unless bins outnumber levels and every count is 0 or at least 1.
    """
    _check(counts, levels)
    chunks = [counts[start : start + CHUNK_BLOCKS] for start in range(0, len(counts), CHUNK_BLOCKS)]
    kept = map_threads(lambda chunk: _thresholds(chunk, levels), chunks)
    return np.concatenate([np.empty(0, dtype=np.int64), *kept])


def _thresholds(counts: Floats, levels: int) -> NDArray[np.int64]:
    tables = PrefixSums.of(counts)
    kept = np.arange(levels, counts.shape[1] + 1)
    divergence = np.stack([tables.divergence(int(i), levels) for i in kept])
    tied = divergence <= divergence.min(axis=0) + TIE
    best: NDArray[np.int64] = kept[len(kept) - 1 - np.argmax(tied[::-1], axis=0)]
    return best


@dataclass(frozen=True, eq=False)
class PrefixSums:
    """Sums over the first i bins, i = 0 … bins, of b histograms, one a column: a level is the difference of two rows."""

    counts: Floats  # [bins, b]
    mass: Floats  # [bins + 1, b]
    filled: Floats  # [bins + 1, b]: bins that are not empty
    entropy: Floats  # [bins + 1, b]: c ln c

    @classmethod
    def of(cls, counts: Floats) -> PrefixSums:
        columns = np.ascontiguousarray(counts.T, dtype=np.float64)
        return cls(columns, _prefix(columns), _prefix((columns > 0).astype(np.float64)), _prefix(_x_log_x(columns)))

    def divergence(self, kept: int, levels: int) -> Floats:
        """The divergence [b] with ``kept`` bins.

        With N the whole mass and K the mass kept, sum p ln(p/q) = (sum P ln P - sum P ln Q) / N - ln N + ln K. Q is
        constant over the support within a level, so the second sum has one term a level, and one for the edge.
        """
        first_bins = (np.arange(levels + 1) * kept + levels - 1) // levels
        mass = np.diff(self.mass[first_bins], axis=0)
        bins = np.diff(self.filled[first_bins], axis=0)
        inside, whole = self.mass[kept], self.mass[-1]
        edge, outliers = self.counts[kept - 1], whole - inside
        bins[-1] += (edge == 0) & (outliers > 0)
        starved = (mass[-1] == 0) & (outliers > 0)

        q = (mass + TINY) / (bins + TINY)
        if starved.any():
            q = np.maximum(q - starved * EPSILON / np.maximum(self.filled[kept], 1), TINY)
        log_q = np.log(q, out=q)
        log_edge = np.where(starved, np.log(EPSILON), log_q[-1])
        p_log_q = np.einsum("ij,ij->j", mass, log_q) + outliers * log_edge
        p_log_p = self.entropy[kept - 1] + _x_log_x(edge + outliers)
        safe = np.maximum(whole, 1)
        divergence = (p_log_p - p_log_q) / safe - np.log(safe) + np.log(np.maximum(inside, 1))
        return np.where((inside == 0) & (whole > 0), np.inf, divergence)


def _prefix(columns: Floats) -> Floats:
    sums = np.zeros((columns.shape[0] + 1, columns.shape[1]))
    np.cumsum(columns, axis=0, out=sums[1:])
    return sums


def _x_log_x(x: Floats) -> Floats:
    return x * np.log(np.maximum(x, TINY))


def _check(counts: Floats, levels: int) -> None:
    bins = counts.shape[1]
    if not 1 <= levels < bins:
        raise SchemeError(
            f"kl: the histogram's bins must outnumber the levels (got {bins} bins, {levels} levels); "
            f"use more than {levels} bins, 2048 say"
        )
    if not ((counts == 0) | (counts >= 1)).all():
        raise SchemeError("kl: counts are numbers of elements, 0 or at least 1 (got others); do not normalise them")
