"""The harness against gfloat, torch, torchao and bitsandbytes: against whatever ``make_goldens`` made of them, be it
stored in a golden or made just now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oracle_outcome import Outcome, differing

from harness.numerics.calibrate import QuantParams
from harness.numerics.formats import FORMATS
from harness.numerics.quantize import Quantized, dequantize, quantize
from harness.numerics.scales import SCALE_FORMATS, Scales, round_to_bf16
from harness.numerics.scheme import OperandScheme, preset

Arrays = dict[str, NDArray[Any]]
Float32 = NDArray[np.float32]
FLOATS = ("fp8_e4m3", "fp8_e5m2", "fp6_e2m3", "fp6_e3m2", "fp4_e2m1")
INTEGERS = (*(f"{sign}int{bits}" for sign in ("", "u") for bits in range(2, 9)), "ternary")


def gfloat(arrays: Arrays) -> Iterator[Outcome]:
    """Rounding to every float format, the sign of zero included."""
    x = arrays["x"]
    for name in FLOATS:
        row = FORMATS[name]
        yield Outcome(name, "gfloat", "rounding", x.size, differing(row.decode(row.encode(x)), arrays[name]))
    yield Outcome("bf16 (scales)", "gfloat", "rounding", x.size, differing(round_to_bf16(x), arrays["bf16"]))
    # Scale formats hold what is positive.
    ours = SCALE_FORMATS["f16"].nearest(np.abs(x).astype(np.float64)).astype(np.float32)
    yield Outcome("f16 (scales)", "gfloat", "rounding", x.size, differing(ours, np.abs(arrays["f16"])))


def torch(arrays: Arrays) -> Iterator[Outcome]:
    """fake_quantize multiplies by 1/s where the harness divides: compared with a restatement of that definition, and
    with the harness, where codes may differ by one next to a tie."""
    x, scale = arrays["x"], arrays["scale"]
    for name in INTEGERS:
        zero_point = arrays[f"{name}_zero_point"]
        for index in range(len(arrays[f"{name}_per_tensor"])):
            theirs = arrays[f"{name}_per_tensor"][index]
            grids = scale[index + 1].reshape(1, 1), zero_point[index + 1].reshape(1, 1)
            yield from _fake_quantize(name, "per_tensor", x, *grids, theirs)
        grids = scale.reshape(-1, 1), zero_point.reshape(-1, 1)
        yield from _fake_quantize(name, "per_channel", x, *grids, arrays[f"{name}_per_channel"])
    values = arrays["cast_x"]
    for name in ("fp8_e4m3", "fp8_e5m2"):
        wrong = differing(FORMATS[name].encode(values), arrays[f"{name}_cast"])
        yield Outcome(name, "torch", "cast of clamped values", values.size, wrong)
    wrong = differing(round_to_bf16(values), arrays["bf16_cast"])
    yield Outcome("bf16 (scales)", "torch", "cast", values.size, wrong)


def _fake_quantize(
    name: str, granularity: str, x: Float32, scale: Float32, zero_point: NDArray[np.int32], theirs: Float32
) -> Iterator[Outcome]:
    row = FORMATS[name]
    low, high = row.values[0], row.values[-1]
    codes = np.clip(np.rint(x * (np.float32(1) / scale)) + zero_point, low, high)
    restated = ((codes - zero_point) * scale).astype(np.float32)
    label = f"fake_quantize_{granularity}"
    wrong = differing(restated + np.float32(0), theirs + np.float32(0))  # rounding to an integer loses the sign of zero
    yield Outcome(name, "torch", f"{label}, its own definition", x.size, wrong)
    params = QuantParams(Scales(scale), zero_point if row.is_integer else None)
    quantized = quantize(x, OperandScheme(name, granularity, symmetric=not row.is_integer), params=params)
    apart = dequantize(quantized) + np.float32(0) != theirs + np.float32(0)
    excused = apart & _near_tie(x, np.broadcast_to(scale, x.shape), name)
    excused &= np.abs(quantized.codes - codes) <= 1
    yield _with_excuses(name, "torch", label, apart, excused)


def _near_tie(x: Float32, scale: Float32, name: str) -> NDArray[np.bool_]:
    """Where x/s lies so near a midpoint of two values that 1/s and one product, each rounded to f32, may cross it."""
    quotient = x.astype(np.float64) / scale
    values = FORMATS[name].values
    middles = (values[:-1] + values[1:]) / 2
    if FORMATS[name].is_integer:  # beside a zero point, ties lie beyond the codes too
        middles = np.arange(2 * values[0] - values[-1] - 1, 2 * values[-1] - values[0] + 1) + 0.5
    place = np.clip(np.searchsorted(middles, quotient), 1, len(middles) - 1)
    distance = np.minimum(np.abs(quotient - middles[place - 1]), np.abs(quotient - middles[place]))
    near: NDArray[np.bool_] = distance <= 4 * 2.0**-24 * np.abs(quotient)
    return near


def _with_excuses(name: str, oracle: str, what: str, apart: NDArray[np.bool_], excused: NDArray[np.bool_]) -> Outcome:
    explained = int(np.count_nonzero(apart & excused))
    return Outcome(name, oracle, what, apart.size, int(np.count_nonzero(apart)) - explained, explained)


def torchao(arrays: Arrays) -> Iterator[Outcome]:
    """MX scales and codes by both rules, and NVFP4. A block of zeros has scale 1 here and the smallest there. The
    round-up rule takes log2 in f32 there, which loses a ratio that is a few f32 above a power of two."""
    x = arrays["x"]
    for name in FLOATS:
        for scale_format, mode in (("e8m0", "floor"), ("e8m0_rceil", "rceil")):
            quantized = quantize(x, OperandScheme(name, "per_group:32", scale_format=scale_format))
            exponent = np.log2(quantized.params.scale).astype(np.int64) + 127
            theirs = arrays[f"{name}_{mode}_exponent"].astype(np.int64)
            amplitude = np.abs(x).reshape(*theirs.shape, 32).max(axis=-1).astype(np.float64)
            apart, excused = exponent != theirs, amplitude == 0
            if mode == "rceil":
                ratio = amplitude / FORMATS[name].largest / np.exp2(theirs - 127.0)
                excused |= (exponent == theirs + 1) & (ratio > 1) & (ratio <= 1 + 2.0**-18)
            yield _with_excuses(name, "torchao", f"MX {mode} scale", apart, excused)
            excused = np.repeat(apart & excused, 32, axis=1)
            apart = quantized.codes != arrays[f"{name}_{mode}_codes"]
            yield _with_excuses(name, "torchao", f"MX {mode} code", apart, excused)
    yield from _nvfp4(arrays)


def _nvfp4(arrays: Arrays) -> Iterator[Outcome]:
    """torchao multiplies by a reciprocal, and its block scales are at least 2^-6; the harness's 2^-9."""
    scheme = preset("nvfp4").weight
    assert scheme is not None
    x = arrays["nvfp4_x"]
    quantized = quantize(x, scheme)
    scales, block = quantized.params.scales, arrays["nvfp4_block"]
    assert scales.block_scale is not None
    wrong = int(np.float32(scales.global_scale) != arrays["nvfp4_global"][0])
    yield Outcome("fp4_e2m1", "torchao", "NVFP4 global scale", 1, wrong)
    zeros = ~np.abs(x).reshape(*block.shape, 16).any(axis=-1)
    apart, excused = scales.block_scale != block, zeros | (block == 2.0**-6)
    yield _with_excuses("fp4_e2m1", "torchao", "NVFP4 block scale", apart, excused)
    excused = np.repeat(apart & excused, 16, axis=1)
    excused |= _near_tie(x, np.broadcast_to(quantized.tiling.expand(scales.scale), x.shape), "fp4_e2m1")
    apart = quantized.codes != arrays["nvfp4_codes"]
    yield _with_excuses("fp4_e2m1", "torchao", "NVFP4 code", apart, excused)


def bitsandbytes(arrays: Arrays) -> Iterator[Outcome]:
    """NF4. Its thresholds are midpoints rounded to f32, so an f32 next to a midpoint may get the other code."""
    x, row = arrays["x"], FORMATS["nf4"]
    wrong = differing(row.values.astype(np.float32), arrays["table"])
    yield Outcome("nf4", "bitsandbytes", "table", row.levels, wrong)
    quantized: Quantized = quantize(x, OperandScheme("nf4", "per_group:64"))
    wrong = differing(quantized.params.scale.ravel(), arrays["absmax"])
    yield Outcome("nf4", "bitsandbytes", "scale", arrays["absmax"].size, wrong)
    excused = _near_tie(x, np.broadcast_to(quantized.params.scale, x.shape), "nf4")
    yield _with_excuses("nf4", "bitsandbytes", "code", quantized.codes != arrays["codes"], excused)


PEERS: dict[str, Callable[[Arrays], Iterator[Outcome]]] = {
    peer.__name__: peer for peer in (gfloat, torch, torchao, bitsandbytes)
}
"""Library → its comparisons, given what the producer of the same name made."""

MANY = {"gfloat": {"count": 200_000}, "torch": {"rows": 400}, "torchao": {"rows": 300}, "bitsandbytes": {"rows": 2000}}
"""How much more is compared where the library itself is there."""


def produce_many(maker: ModuleType, peer: str) -> Arrays:
    """What ``make_goldens`` (``maker``) makes of a larger and different tensor."""
    arrays: Arrays = maker.PRODUCERS[peer](**MANY[peer], seed=99)
    return arrays
