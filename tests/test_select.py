"""Filters and limits: which planned cases are chosen."""

from __future__ import annotations

import pytest
from example_suites import CPU, product, tensor

from harness.errors import HarnessError
from harness.plan import plan
from harness.select import select
from harness.suite import load_suite

PRODUCT = load_suite(
    product(
        shapes=[{"name": "llama.q", "m": [1, 16], "n": 64, "k": 256}, {"name": "bev[0]", "m": 4, "n": 8, "k": 32}],
        data={"weight": {"distribution": "laplace"}},
        matrix={
            "kernel": ["ort_matmul_integer", "ort_f32", "dp4a", "reference"],
            "scheme": ["w8a8", "w8a16", "mxfp4"],
        },
        include=[{"weight.format": "int8", "weight.symmetric": False, "weight.granularity": "per_block:8x*"}],
    )
)
TENSOR = load_suite(
    tensor(
        matrix={
            "kernel": ["reference", "ort_quantize_linear"],
            "format": ["int8", "int4", "fp8_e4m3"],
            "symmetric": [True, False],
            "calibration": ["minmax", "percentile:99.9"],
            "narrow_range": [False, True],
        }
    )
)
SUITES = {"product": PRODUCT, "tensor": TENSOR}
CASES = {name: plan(suite, CPU) for name, suite in SUITES.items()}


def _weight(case):
    return case.operands[0].scheme


def _activation(case):
    return case.operands[-1].scheme


FILTERS = [
    ("product", ["kernel=reference"], lambda c: c.kernel == "reference"),
    ("product", ["kernel=ort_*"], lambda c: c.kernel.startswith("ort_")),
    ("product", ["kernel=ort_f??"], lambda c: c.kernel == "ort_f32"),
    ("product", ["kernel=[dr]*"], lambda c: c.kernel in ("dp4a", "reference")),
    ("product", ["kernel=dp4a", "kernel=reference"], lambda c: c.kernel in ("dp4a", "reference")),
    ("product", ["kernel=nothing", "kernel=dp4a"], lambda c: c.kernel == "dp4a"),
    ("product", ["kernel=reference", "scheme=w8a8"], lambda c: c.kernel == "reference" and c.scheme == "w8a8"),
    ("product", ["scheme=w8*"], lambda c: c.scheme in ("w8a8", "w8a16")),
    ("product", ["scheme=none"], lambda c: c.scheme is None),
    ("product", ["scheme=int8/*"], lambda c: c.scheme == "int8/per_block:8x*/asymmetric x none"),
    ("product", ["weight.format=fp4_e2m1"], lambda c: _weight(c) and _weight(c).format == "fp4_e2m1"),
    ("product", ["weight.format=none"], lambda c: _weight(c) is None),
    ("product", ["activation.format=none"], lambda c: _activation(c) is None),
    ("product", ["activation.granularity=per_token"], lambda c: _activation(c) and _activation(c).granularity == "per_token"),
    ("product", ["activation.symmetric=none"], lambda c: _activation(c) is None),
    ("product", ["weight.granularity=per_block:8x*"], lambda c: _weight(c) and _weight(c).granularity == "per_block:8x*"),
    ("product", ["weight.symmetric=false"], lambda c: _weight(c) and not _weight(c).symmetric),
    ("product", ["weight.scale_format=e8m0"], lambda c: _weight(c) and _weight(c).scale_format == "e8m0"),
    ("product", ["weight.range=static"], lambda c: _weight(c) is not None),
    ("product", ["shape=llama.*"], lambda c: c.shape.name == "llama.q"),
    ("product", ["shape=bev[0]"], lambda c: c.shape.name == "bev[0]"),
    ("product", ["case=gemm/dp4a/*"], lambda c: c.kernel == "dp4a"),
    ("product", ["case=*[[]16x64x256]*"], lambda c: c.shape.extents == (16, 64, 256)),
    ("product", ["data=laplace normal"], lambda c: True),
    ("product", ["data=*normal"], lambda c: True),
    ("product", ["backend=cuda"], lambda c: c.kernel == "dp4a"),
    ("tensor", ["format=int*"], lambda c: _weight(c).format in ("int8", "int4")),
    ("tensor", ["symmetric=true"], lambda c: _weight(c).symmetric),
    ("tensor", ["narrow_range=true", "symmetric=false"], lambda c: _weight(c).narrow_range and not _weight(c).symmetric),
    ("tensor", ["narrow_range=*"], lambda c: True),
    ("tensor", ["calibration=percentile:*"], lambda c: _weight(c).calibration == "percentile:99.9"),
    ("tensor", ["granularity=per_tensor", "range=static", "scale_format=f32"], lambda c: True),
    ("tensor", ["data=normal"], lambda c: True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "filters", "wanted"), FILTERS, ids=[" ".join(row[1]) for row in FILTERS])
def test_filters(name, filters, wanted):
    chosen = select(CASES[name], SUITES[name], filters, None)
    assert chosen == tuple(case for case in CASES[name] if wanted(case))
    assert chosen


def test_no_filter_chooses_all():
    assert select(CASES["product"], PRODUCT, (), None) == CASES["product"]


def test_filters_may_be_an_iterator():
    assert select(CASES["product"], PRODUCT, iter(["kernel=dp4a"]), None)
    with pytest.raises(HarnessError, match="for kernel=nothing"):
        select(CASES["product"], PRODUCT, iter(["kernel=nothing"]), None)


def test_a_case_is_found_by_its_id_and_by_its_name():
    for case in CASES["product"]:
        assert select(CASES["product"], PRODUCT, [f"case_id={case.case_id}"], None) == (case,)
        assert case in select(CASES["product"], PRODUCT, [f"case={case.name}"], None)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("product", "kernel", r"must be axis=value \(got 'kernel'\)"),
        ("product", "kernl=x", r"must name an axis \(got 'kernl'\); did you mean kernel\?"),
        ("product", "weight.formt=x", r"did you mean weight\.format\?"),
        ("product", "format=int8", r"must name an axis \(got 'format'\); did you mean"),
        ("tensor", "weight.format=int8", r"did you mean format\?"),
        ("tensor", "m=1", r"must name an axis \(got 'm'\)"),
        ("product", "=x", r"must name an axis \(got ''\)"),
        ("product", "kernel=x=y", r"must leave at least one case \(got none of \d+ for kernel=x=y\)"),
        ("product", "symmetric=yes", r"must name an axis"),
        ("tensor", "symmetric=True", r"must leave at least one case"),
    ],
)
def test_filters_that_are_refused(name, text, message):
    with pytest.raises(HarnessError, match="^--filter: .*" + message):
        select(CASES[name], SUITES[name], [text], None)


def test_nothing_left_of_two_axes():
    with pytest.raises(HarnessError, match=r"got none of \d+ for kernel=ort_f32 scheme=w8a8"):
        select(CASES["product"], PRODUCT, ["kernel=ort_f32", "scheme=w8a8"], None)


@pytest.mark.parametrize("limit", [1, 3, 10_000])
def test_limit_takes_the_first_that_can_run(limit):
    able = [case for case in CASES["product"] if case.skip is None]
    assert 3 < len(able) < len(CASES["product"])
    assert select(CASES["product"], PRODUCT, (), limit) == tuple(able[:limit])


def test_limit_comes_after_filters():
    chosen = select(CASES["product"], PRODUCT, ["kernel=reference", "scheme=mxfp4"], 2)
    assert [(case.kernel, case.scheme) for case in chosen] == [("reference", "mxfp4")] * 2


@pytest.mark.parametrize("limit", [0, -1])
def test_limits_that_are_refused(limit):
    with pytest.raises(HarnessError, match=rf"^--limit: must be at least 1 \(got {limit}\)"):
        select(CASES["product"], PRODUCT, (), limit)


def test_limit_of_cases_that_are_all_skipped():
    with pytest.raises(
        HarnessError, match=r"^--limit: needs cases that can run \(got \d+ that are skipped, .*needs the cuda"
    ):
        select(CASES["product"], PRODUCT, ["kernel=dp4a"], 3)
