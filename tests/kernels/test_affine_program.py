"""Which requests the affine CUDA kernels take, and what each is compiled with. No GPU is needed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from example_suites import CUDA, planned, tensor

from harness.backends.cuda.source import closure, strip_comments
from harness.kernels import KERNELS, kernel
from harness.kernels.common.affine_program import PACKED_BITS, affine, affine_program, element_macros, specialise
from harness.kernels.spec import OperandPlan, Request
from harness.kernels.specialisation import SOURCE_ROOT, Specialisation
from harness.numerics.formats import FORMATS, element_format
from harness.numerics.granularity import Tiling
from harness.numerics.scales import SCALE_FORMATS
from harness.numerics.scheme import OperandScheme
from harness.numerics.value_types import VALUE_TYPES

TUNED = {"THREADS", "UNROLL"}
SOURCES = (
    "quantize/quantize.cu",
    "dequantize/dequantize.cu",
    "fake_quantize/fake_quantize.cu",
    "statistics/statistics.cu",
)
WRITES_CODES = "quantize/quantize.cu"
ODD_BITS = [name for name, element in FORMATS.items() if element.bits not in PACKED_BITS]


def _request(
    *, shape: tuple[int, ...] = (64, 128), channel_axis: int = 0, dtype: str = "f32", **scheme: Any
) -> Request:
    return {"tensor": OperandPlan(shape, OperandScheme(**scheme), channel_axis, dtype)}


TAKEN: dict[str, dict[str, Any]] = {
    **{
        f"{name}, {dtype}": {"format": name, "dtype": dtype}
        for name in FORMATS
        if name not in ODD_BITS
        for dtype in VALUE_TYPES
    },
    **{f"scales of {name}": {"scale_format": name} for name in SCALE_FORMATS},
    **{
        f"{text}, {'x'.join(map(str, shape))}": {"granularity": text, "shape": shape}
        for text in ("per_tensor", "per_channel", "per_token", "per_group:32", "per_block:16x8", "per_block:*x3")
        for shape in ((7,), (33, 131), (2, 3, 5), (2, 3, 5, 7))
    },
    "channels of an image": {"granularity": "per_channel", "shape": (2, 3, 5, 7), "channel_axis": 1},
    "asymmetric": {"symmetric": False},
    "narrow": {"narrow_range": True},
    "any static calibration": {"calibration": "percentile:99.9"},
    "as many as 32 bits count": {"shape": (2**32 - 1,)},
}


@pytest.mark.parametrize("label", TAKEN)
def test_taken(label):
    assert affine(_request(**TAKEN[label]), CUDA) is None


TOO_LARGE = "takes fewer than 2^32 elements, and blocks that three axes describe"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    **{f"format {name}": ({"format": name}, f"packs no codes of {name[-1]} bits") for name in ODD_BITS},
    "a dynamic range": ({"format": "uint8", "range": "dynamic"}, "takes no dynamic range of the tensor"),
    "more than 32 bits count": ({"shape": (2**20, 2**13)}, TOO_LARGE),
    "more than 32 bits count, in groups": ({"shape": (2**20, 2**13), "granularity": "per_group:128"}, TOO_LARGE),
    "the range before the format": ({"format": "int3", "range": "dynamic"}, "takes no dynamic range of the tensor"),
}  # fmt: skip


@pytest.mark.parametrize("label", REFUSED)
def test_refused_with_the_reason(label):
    changes, reason = REFUSED[label]
    assert affine(_request(**changes), CUDA) == reason


def test_an_unquantized_tensor_is_refused():
    assert affine({"tensor": OperandPlan((4, 8), None)}, CUDA) == "needs a quantized tensor"


def test_blocks_along_four_axes_have_no_program():
    assert affine_program(OperandScheme(), Tiling((3, 4, 5, 6), (2, 3, 2, 4)), "f32") is None


# Request → VALUE, LAYOUT, ASYMMETRIC, BITS, WIDTH, and SIGNED where the source reads codes.
MACROS: dict[str, tuple[dict[str, Any], tuple[int, ...], int]] = {
    "int8 of f32": ({}, (0, 0, 0, 8, 4), 1),
    "uint8 of f16": ({"format": "uint8", "dtype": "f16"}, (1, 0, 0, 8, 8), 0),
    "int4 of bf16": ({"format": "int4", "dtype": "bf16"}, (2, 0, 0, 4, 8), 1),
    "uint4": ({"format": "uint4"}, (0, 0, 0, 4, 4), 0),
    "asymmetric": ({"symmetric": False}, (0, 0, 1, 8, 4), 1),
    "narrow is an argument": ({"narrow_range": True}, (0, 0, 0, 8, 4), 1),
    "rows": ({"granularity": "per_token"}, (0, 1, 0, 8, 4), 1),
    "odd rows": ({"granularity": "per_token", "shape": (3, 7)}, (0, 1, 0, 8, 0), 1),
    "rows that fit four, not eight": ({"granularity": "per_token", "shape": (3, 12), "dtype": "f16"}, (1, 1, 0, 8, 0), 1),
    "groups": ({"granularity": "per_group:32"}, (0, 1, 0, 8, 4), 1),
    "blocks": ({"granularity": "per_block:16x8", "dtype": "f16"}, (1, 2, 0, 8, 8), 1),
    "columns": ({"granularity": "per_channel", "channel_axis": 1}, (0, 3, 0, 8, 4), 1),
    "odd size, one scale": ({"shape": (3, 7)}, (0, 0, 0, 8, 4), 1),
}  # fmt: skip


def _decided(specialisation: Specialisation) -> dict[str, int]:
    """The macros that the request decides; how many elements a thread takes is for measurements to choose."""
    return {name: int(value) for name, value in specialisation.macros if name not in TUNED}


@pytest.mark.parametrize("label", MACROS)
def test_macros(label):
    changes, values, signed = MACROS[label]
    plain = dict(zip(("VALUE", "LAYOUT", "ASYMMETRIC", "BITS", "WIDTH"), values, strict=True)) | {
        "ELEMENT": 0,
        "SCALE": 0,
    }
    for reads_codes, expected in ((False, plain), (True, {**plain, "SIGNED": signed})):
        made = specialise("a.cu", signed=reads_codes)(_request(**changes))
        assert made.source == "a.cu"
        assert _decided(made) == expected


ELEMENTS = {
    "int2": {"ELEMENT": 0, "BITS": 2, "SIGNED": 1},
    "uint8": {"ELEMENT": 0, "BITS": 8, "SIGNED": 0},
    "ternary": {"ELEMENT": 0, "BITS": 2, "SIGNED": 1},
    "binary": {"ELEMENT": 1, "BITS": 1},
    "fp8_e4m3": {"ELEMENT": 2, "BITS": 8, "EXPONENT": 4, "MANTISSA": 3},
    "fp8_e5m2": {"ELEMENT": 2, "BITS": 8, "EXPONENT": 5, "MANTISSA": 2},
    "fp6_e2m3": {"ELEMENT": 2, "BITS": 6, "EXPONENT": 2, "MANTISSA": 3},
    "fp6_e3m2": {"ELEMENT": 2, "BITS": 6, "EXPONENT": 3, "MANTISSA": 2},
    "fp4_e2m1": {"ELEMENT": 2, "BITS": 4, "EXPONENT": 2, "MANTISSA": 1},
    "nf4": {"ELEMENT": 3, "BITS": 4},
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_macros_of_a_format(name):
    assert element_macros(element_format(name), signed=True) == ELEMENTS[name]


@pytest.mark.parametrize(
    ("name", "dtype", "width", "unroll"),
    [
        ("int4", "f32", 8, 1),
        ("int2", "f32", 8, 1),
        ("binary", "f32", 16, 1),
        ("fp6_e2m3", "bf16", 16, 2),
        ("int2", "f16", 16, 2),
    ],
)
def test_a_thread_that_writes_codes_writes_whole_bytes(name, dtype, width, unroll):
    made = specialise("a.cu", signed=False, writes_codes=True)(_request(format=name, dtype=dtype))
    assert (dict(made.macros)["WIDTH"], dict(made.macros)["UNROLL"]) == (str(width), str(unroll))
    read = specialise("a.cu", signed=True)(_request(format=name, dtype=dtype))
    assert (dict(read.macros)["WIDTH"], dict(read.macros)["UNROLL"]) == ("4" if dtype == "f32" else "8", "1")


def test_rows_that_end_between_wide_vectors_are_walked_in_narrower_ones():
    made = dict(
        specialise("a.cu", signed=False, writes_codes=True)(
            _request(shape=(3, 24), granularity="per_token", dtype="bf16")
        ).macros
    )
    assert (made["WIDTH"], made["UNROLL"]) == ("8", "2")


def test_nf4_in_the_source_is_nf4():
    """Values and thresholds are written out in the header: those that ElementFormat has."""
    text = strip_comments((SOURCE_ROOT / "common/element.cuh").read_text())
    for name, expected in (
        ("NF4_VALUES", element_format("nf4").values),
        ("thresholds", element_format("nf4").thresholds),
    ):
        (listed,) = re.findall(rf"const float {name}\[\d+\] = \{{(.*?)\}}", text, re.DOTALL)
        found = [np.float32(number) for number in re.findall(r"[-\d.]+", listed)]
        assert np.array_equal(np.array(found), expected.astype(np.float32))


def test_equal_requests_need_one_compilation():
    """Extents are arguments of a launch: only what the code depends on makes another compilation."""
    of = specialise(WRITES_CODES, signed=False, writes_codes=True)
    alike = [
        {"shape": (64, 128)},
        {"shape": (4096, 4096)},
        {"shape": (5, 6, 7)},
        {"shape": (64, 128), "channel_axis": 1},
        {"calibration": "mse"},
        {"narrow_range": True},
        {"granularity": "per_block:*x*"},
        {"format": "uint8"},  # quantize.cu makes codes, and reads none
    ]
    assert len({of(_request(**changes)) for changes in alike}) == 1
    assert hash(of(_request())) == hash(of(_request()))
    apart = [{}, {"dtype": "f16"}, {"dtype": "bf16"}, {"format": "int4"}, {"symmetric": False}]
    assert len({of(_request(**changes)) for changes in apart}) == len(apart)


@pytest.mark.parametrize("source", SOURCES)
def test_macros_are_those_that_the_source_needs(source):
    """None is idle, which would compile the same code twice; and none that a condition asks for is left to be 0."""
    op = source.partition("/")[0]
    macros = _decided(kernel(op, "affine").cuda.specialise(_request())).keys()
    texts = {path: strip_comments(path.read_text()) for path in closure(SOURCE_ROOT / source)}
    own = "\n".join(text for path, text in texts.items() if path.parent.name == op)
    code = "\n".join(texts.values())
    used = set(re.findall(r"\b[A-Z]{3,}\b", code))
    defined = set(re.findall(r"^\s*#\s*define\s+(\w+)", code, re.MULTILINE)) | {"EXPONENT"}  # which floats have
    conditions = " ".join(re.findall(r"^\s*#\s*(?:if|elif)\s+(.*)$", code, re.MULTILINE))
    asked = set(re.findall(r"\b[A-Z]{3,}\b", conditions))
    reads_codes = bool(re.search(r"\b(unpack_codes|stored_value)\b", own))
    assert macros <= used
    assert asked - macros - defined == (set() if reads_codes else {"SIGNED"})


def test_every_affine_kernel_declares_its_source():
    rows = [spec for spec in KERNELS if spec.name == "affine"]
    assert sorted(spec.cuda.file for spec in rows) == sorted(SOURCES)
    for spec in rows:
        assert spec.cuda.file == f"{spec.op}/{spec.op}.cu"
        assert spec.cuda.specialise(_request()).source == spec.cuda.file
        assert spec.supports is affine


@pytest.mark.parametrize("op", ["quantize", "dequantize", "fake_quantize", "statistics"])
def test_planned_on_a_gpu(op):
    shapes = [{"name": "a", "rows": 4, "cols": 8, "dtype": ["f32", "f16", "bf16"]}]
    cases = planned(tensor(op=op, shapes=shapes, matrix={"kernel": "affine", "format": ["int8", "int3"]}), CUDA)
    assert [case.skip for case in cases] == [None, "packs no codes of 3 bits"] * 3
    assert {case.backend for case in cases} == {"cuda"}
