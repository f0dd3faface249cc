"""Schemes: what the text forms mean, what is refused, what is stored, and the presets row by row."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from harness.errors import SchemeError
from harness.numerics.quantize import dequantize, quantize
from harness.numerics.scheme import (
    CALIBRATIONS,
    SCHEMES,
    Calibration,
    OperandScheme,
    Scheme,
    preset,
    preset_name,
)

SHAPE = (256, 1024)


@dataclasses.dataclass(frozen=True)
class Preset:
    """One row of the presets' definition: each side as ``format granularity [flags]``, and bits for ``SHAPE``."""

    name: str
    weight: str | None
    activation: str | None
    weight_bits: float
    activation_bits: float | None = None


PRESETS = (
    Preset("w8a8", "int8 per_channel", "int8 per_token", 8 + 32 / 1024, 8 + 32 / 1024),
    Preset("w8a16", "int8 per_channel", None, 8 + 32 / 1024),
    Preset("w4a16_g128", "int4 per_group:128 asymmetric", None, 4 + (32 + 4) / 128),
    Preset("w4a16_g64", "int4 per_group:64 asymmetric", None, 4 + (32 + 4) / 64),
    Preset("w4a16_g32", "int4 per_group:32 asymmetric", None, 4 + (32 + 4) / 32),
    Preset("w4a8", "int4 per_channel", "int8 per_token", 4 + 32 / 1024, 8 + 32 / 1024),
    Preset("w4a8_g128", "int4 per_group:128", "int8 per_token", 4 + 32 / 128, 8 + 32 / 1024),
    Preset("w4a4", "int4 per_channel", "int4 per_token", 4 + 32 / 1024, 4 + 32 / 1024),
    Preset("w2a16_g64", "int2 per_group:64 asymmetric", None, 2 + (32 + 2) / 64),
    Preset("fp8_tensor", "fp8_e4m3 per_tensor", "fp8_e4m3 per_tensor", 8 + 32 / 2**18, 8 + 32 / 2**18),
    Preset("fp8_row", "fp8_e4m3 per_channel", "fp8_e4m3 per_token", 8 + 32 / 1024, 8 + 32 / 1024),
    Preset("fp8_block", "fp8_e4m3 per_block:128x128", "fp8_e4m3 per_group:128", 8 + 32 / 2**14, 8 + 32 / 128),
    Preset("mxfp8", "fp8_e4m3 per_group:32 e8m0", "fp8_e4m3 per_group:32 e8m0", 8.25, 8.25),
    Preset("mxfp6", "fp6_e2m3 per_group:32 e8m0", "fp6_e2m3 per_group:32 e8m0", 6.25, 6.25),
    Preset("mxfp4", "fp4_e2m1 per_group:32 e8m0", "fp4_e2m1 per_group:32 e8m0", 4.25, 4.25),
    Preset("mxint8", "int8 per_group:32 e8m0 narrow", "int8 per_group:32 e8m0 narrow", 8.25, 8.25),
    Preset("nvfp4", "fp4_e2m1 per_group:16 e4m3", "fp4_e2m1 per_group:16 e4m3", 4.5 + 32 / 2**18, 4.5 + 32 / 2**18),
    Preset("nf4_b64", "nf4 per_group:64", None, 4.5),
    Preset("ternary", "ternary per_channel mse", None, 2 + 32 / 1024),
    Preset("binary", "binary per_channel mse", None, 1 + 32 / 1024),
)

ROWS = pytest.mark.parametrize("row", PRESETS, ids=lambda row: row.name)


def _spelled(text: str) -> OperandScheme:
    form, granularity, *flags = text.split()
    scale_formats = [flag for flag in flags if flag in ("e8m0", "e4m3")]
    return OperandScheme(
        format=form,
        granularity=granularity,
        symmetric="asymmetric" not in flags,
        calibration="mse" if "mse" in flags else "minmax",
        scale_format=scale_formats[0] if scale_formats else "f32",
        narrow_range="narrow" in flags,
    )


def _sides(scheme: Scheme) -> list[OperandScheme]:
    return [side for side in (scheme.weight, scheme.activation) if side is not None]


def test_the_table_of_presets_is_complete() -> None:
    assert [row.name for row in PRESETS] == list(SCHEMES)


@ROWS
def test_a_preset_is_its_definition(row: Preset) -> None:
    scheme = preset(row.name)
    assert scheme.weight == (None if row.weight is None else _spelled(row.weight))
    assert scheme.activation == (None if row.activation is None else _spelled(row.activation))
    assert preset_name(scheme.weight, scheme.activation) == row.name


@ROWS
def test_a_preset_stores_so_many_bits(row: Preset) -> None:
    scheme = preset(row.name)
    assert scheme.weight is not None
    assert scheme.weight.bits_per_element(SHAPE) == row.weight_bits
    bits = None if scheme.activation is None else scheme.activation.bits_per_element(SHAPE)
    assert bits == row.activation_bits


@ROWS
def test_a_preset_quantizes(row: Preset) -> None:
    """Every side, with tails in both directions; the error is finite and less than the signal."""
    x = np.random.default_rng(11).standard_normal((130, 200)).astype(np.float32)
    for side in _sides(preset(row.name)):
        assert side.problem(x.shape) is None
        quantized = quantize(x, side)
        assert set(np.unique(quantized.codes).tolist()) <= {*side.element.codes.tolist(), side.element.sign_bit}
        error = np.square(dequantize(quantized).astype(np.float64) - x).mean()
        assert 0 < error < np.square(x.astype(np.float64)).mean()


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(SchemeError, match=r"got 'nvfp5'\); did you mean nvfp4\?"):
        preset("nvfp5")


def test_bits_count_short_blocks_as_whole_scales_and_nothing_for_no_element() -> None:
    group = OperandScheme("int4", "per_group:32")
    assert group.bits_per_element((2, 33)) == (66 * 4 + 4 * 32) / 66
    assert OperandScheme("int8", scale_format="bf16").bits_per_element((10,)) == (80 + 16) / 10
    assert OperandScheme("int8", symmetric=False).bits_per_element((10,)) == (80 + 32 + 8) / 10
    assert OperandScheme("int8", "per_channel").bits_per_element((2, 3, 5), 1) == (240 + 96) / 30
    assert group.bits_per_element((0, 33)) < float("inf")


@pytest.mark.parametrize(
    ("text", "kind", "argument"),
    [
        ("minmax", "minmax", None),
        ("mse", "mse", None),
        ("kl", "kl", Fraction(2048)),
        ("kl:512", "kl", Fraction(512)),
        ("ema_minmax", "ema_minmax", Fraction(1, 100)),
        ("ema_minmax:0.25", "ema_minmax", Fraction(1, 4)),
        ("ema_minmax:1,3", "ema_minmax", Fraction(1)),
        ("percentile:99.9", "percentile", Fraction(999, 10)),
        ("percentile:100", "percentile", Fraction(100)),
        ("percentile:99.99", "percentile", Fraction(9999, 100)),
        ("fixed:3.5", "fixed", Fraction(7, 2)),
        ("fixed:1e-3", "fixed", Fraction(1, 1000)),
        ("fixed:.5", "fixed", Fraction(1, 2)),
    ],
)
def test_calibration_text(text: str, kind: str, argument: Fraction | None) -> None:
    parsed = Calibration.parse(text)
    assert (parsed.kind, parsed.argument) == (kind, argument)
    assert Calibration.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "batches", "canonical"),
    [
        ("ema_minmax:0.01,64", 64, "ema_minmax"),
        ("ema_minmax:1e-2", 64, "ema_minmax"),
        ("ema_minmax:.010,32", 32, "ema_minmax:0.01,32"),
        ("ema_minmax:1,64", 64, "ema_minmax:1"),
        ("ema_minmax:1,65536", 65536, "ema_minmax:1,65536"),
        ("kl:2048", None, "kl"),
    ],
)
def test_calibration_text_has_one_spelling(text: str, batches: int | None, canonical: str) -> None:
    parsed = Calibration.parse(text)
    assert (parsed.batches, str(parsed)) == (batches, canonical)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("ema_minmax:", "write ema_minmax or ema_minmax:0.01,64"),
        ("ema_minmax:0", "write ema_minmax or"),
        ("ema_minmax:1.5", "write ema_minmax or"),
        ("ema_minmax:1e-7", "write ema_minmax or"),
        ("ema_minmax:0.1,", "write ema_minmax or"),
        ("ema_minmax:0.1,0", "write ema_minmax or"),
        ("ema_minmax:0.1,65537", "write ema_minmax or"),
        ("ema_minmax:0.1,2,3", "write ema_minmax or"),
        ("ema_minmax:,3", "write ema_minmax or"),
        ("percentile:99,3", "write percentile:99.9"),
        ("minmaxx", "did you mean minmax?"),
        ("minmax:3", "write minmax"),
        ("mse:1", "write mse"),
        ("percentile", "write percentile:99.9"),
        ("percentile:", "write percentile:99.9"),
        ("percentile:50", "write percentile:99.9"),
        ("percentile:100.1", "write percentile:99.9"),
        ("percentile:nan", "write percentile:99.9"),
        ("kl:1", "write kl or kl:2048"),
        ("kl:2.5", "write kl or kl:2048"),
        ("kl:65537", "write kl or kl:2048"),
        ("fixed", "write fixed:3.5"),
        ("fixed:0", "write fixed:3.5"),
        ("fixed:-1", "write fixed:3.5"),
        ("fixed:inf", "write fixed:3.5"),
        ("fixed:3e38", "write fixed:3.5"),
        ("fixed:1e400", "write fixed:3.5"),
        ("fixed:1e-400", "write fixed:3.5"),
        ("fixed:1e999999999", "write fixed:3.5"),
        ("fixed:" + "9" * 5000, "write fixed:3.5"),
    ],
)
def test_what_is_no_calibration_is_refused(text: str, remedy: str) -> None:
    with pytest.raises(SchemeError) as refused:
        Calibration.parse(text)
    assert remedy in str(refused.value)
    assert f"got {text!r}" in str(refused.value)


def test_every_calibration_has_a_row() -> None:
    assert set(CALIBRATIONS) == {"minmax", "ema_minmax", "percentile", "mse", "kl", "fixed"}


BIG = (2048,)


@pytest.mark.parametrize(
    ("scheme", "shape", "reason"),
    [
        (OperandScheme("fp8_e4m3", symmetric=False), BIG, "asymmetric needs an integer format"),
        (OperandScheme("nf4", symmetric=False), BIG, "asymmetric needs an integer format"),
        (OperandScheme("uint8", narrow_range=True), BIG, "narrow_range needs a signed integer format"),
        (OperandScheme("ternary", narrow_range=True), BIG, "narrow_range needs a signed integer format"),
        (OperandScheme("fp4_e2m1", calibration="kl"), BIG, "kl is defined for integer formats"),
        (OperandScheme("int8", calibration="kl:128"), BIG, "kl needs more bins than the 256 levels"),
        (OperandScheme("int8", calibration="kl"), (2047,), "kl needs blocks of at least 2048"),
        (OperandScheme("int8", "per_group:2048", calibration="kl"), (2, 2049), "kl needs blocks of at least 2048"),
        (OperandScheme("int8", calibration="mse", range="dynamic"), BIG, "a dynamic range is minmax"),
        (OperandScheme("int8", calibration="ema_minmax", range="dynamic"), BIG, "a dynamic range is minmax"),
        (OperandScheme("int8", calibration="kl"), BIG, None),
        (OperandScheme("int8", "per_channel", calibration="kl"), (3, 2048), None),
        (OperandScheme("uint4", symmetric=False), BIG, None),
        (OperandScheme("int8", range="dynamic"), BIG, None),
    ],
)
def test_a_scheme_says_why_it_does_not_fit(scheme: OperandScheme, shape: tuple[int, ...], reason: str | None) -> None:
    problem = scheme.problem(shape)
    if reason is None:
        assert problem is None
        return
    assert problem is not None
    assert problem.startswith(reason)
    with pytest.raises(SchemeError, match="the scheme must fit the tensor"):
        quantize(np.ones(shape, np.float32), scheme)


def test_labels_spell_what_differs_from_the_defaults() -> None:
    assert OperandScheme().label == "int8/per_tensor"
    scheme = OperandScheme("int4", "per_group:32", False, "percentile:99.9", "f16", True, "dynamic")
    assert scheme.label == "int4/per_group:32/asymmetric/percentile:99.9/f16/narrow/dynamic"
