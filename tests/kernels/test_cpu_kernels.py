"""Every CPU kernel conforms, on odd sizes and in every scheme it says it supports."""

from __future__ import annotations

import numpy as np
import pytest

import harness
from harness.backends import find_device
from harness.kernels import KERNELS

ONE_TENSOR = ("quantize", "dequantize", "fake_quantize", "statistics", "calibration")
QUICK = {"l2": "hot", "min_samples": 1, "max_time_s": 0.01}


def _right(op):
    """Kernels that are not wrong on purpose."""
    return [spec.name for spec in KERNELS if spec.op == op and spec.backend != "cuda" and spec.role != "pitfall"]


def _run(tmp_path, op, shapes, matrix, **more):
    suite = {"name": f"t-{op}", "op": op, "shapes": shapes, "matrix": matrix, "measure": QUICK, **more}
    return harness.run(suite, out=tmp_path)


def _assert_conforms(frame, kernels, at_least):
    bad = frame[~frame["status"].isin(["ok", "skipped"])]
    assert bad.empty, bad[["case", "status", "reason"]].to_string()
    counts = frame[frame["status"] == "ok"]["kernel"].value_counts()
    for kernel in kernels:
        assert counts.get(kernel, 0) >= at_least, counts


@pytest.mark.parametrize("op", ONE_TENSOR)
def test_one_tensor_kernels(op, tmp_path):
    kernels = _right(op)
    shapes = [
        {"name": "odd", "rows": 33, "cols": 131},
        {"name": "one", "rows": 1, "cols": 1},
        {"name": "line", "shape": [257]},
        {"name": "nchw", "shape": [2, 3, 5, 7], "channel_axis": 1},
        {"name": "denormal", "rows": 3, "cols": 40, "tensor": {"distribution": "uniform", "low": 0, "high": 1e-45}},
    ]
    matrix = {
        "kernel": kernels,
        "format": ["int8", "uint8", "int4", "uint4", "fp8_e4m3", "fp8_e5m2", "fp4_e2m1", "nf4", "binary"],
        "granularity": ["per_tensor", "per_channel", "per_token", "per_group:32", "per_block:2x16"],
        "symmetric": [True, False],
    }
    include = [{"format": "uint8", "symmetric": False, "range": "dynamic"}]
    # DynamicQuantizeLinear lets the scale of denormal data underflow to 0; ours has a declared minimum.
    exclude = [{"shape": "denormal", "range": "dynamic"}]
    frame = _run(tmp_path, op, shapes, matrix, include=include, exclude=exclude)
    _assert_conforms(frame, kernels, at_least=4)
    assert frame[frame["status"] == "ok"]["mse"].notna().all()


@pytest.mark.parametrize("op", ONE_TENSOR)
def test_the_reference_on_narrower_types(op, tmp_path):
    """Exact by its own judge, and its values are those of the type."""
    shapes = [
        {"name": "odd", "rows": 33, "cols": 131, "dtype": ["f32", "f16", "bf16"]},
        {
            "name": "wide",
            "rows": 8,
            "cols": 64,
            "dtype": ["f16", "bf16"],
            "tensor": {"distribution": "normal", "std": 9e3},
        },
    ]
    matrix = {
        "kernel": "reference",
        "format": ["int8", "uint4", "fp8_e4m3", "nf4"],
        "granularity": ["per_tensor", "per_group:32"],
        "symmetric": [True, False],
    }
    frame = _run(tmp_path, op, shapes, matrix, include=[{"format": "int8", "range": "dynamic"}])
    _assert_conforms(frame, ["reference"], at_least=5 * 13)
    ok = frame[frame["status"] == "ok"]
    assert ok.groupby("dtype").size().to_dict() == {"f32": 13, "f16": 26, "bf16": 26}
    if op == "quantize":
        assert (ok["code_mismatches"] == 0).all()


BYTES = {
    "quantize": lambda values, codes: values + codes,
    "dequantize": lambda values, codes: values + codes,
    "statistics": lambda values, codes: values + codes,
    "fake_quantize": lambda values, codes: 2 * values,
    "calibration": lambda values, codes: values,
}
"""Bytes that must move, from those of the tensor and of its codes and scale."""


@pytest.mark.parametrize(
    "op",
    [
        *(op for op in ONE_TENSOR if op != "calibration"),
        "calibration",
    ],
)
def test_narrower_types_move_fewer_bytes(op, tmp_path):
    shapes = [{"name": "a", "rows": 32, "cols": 64, "dtype": ["f32", "f16", "bf16"]}]
    frame = _run(tmp_path, op, shapes, {"kernel": "reference", "format": "int8"}).set_index("dtype")
    for dtype, size in {"f32": 4, "f16": 2, "bf16": 2}.items():
        assert frame.loc[dtype, "moved_bytes"] == BYTES[op](size * 2048, 2048 + 4)


def test_products(tmp_path):
    kernels = _right("gemm")
    shapes = [{"name": "odd", "m": [1, 3, 65], "n": 17, "k": 129}, {"name": "one", "m": 1, "n": 1, "k": 1}]
    matrix = {
        "kernel": kernels,
        "weight.format": ["int8", "uint8", "int4", "uint4"],
        "weight.granularity": ["per_tensor", "per_channel", "per_group:32"],
        "weight.symmetric": [True, False],
        "activation.format": ["int8", "uint8", "none"],
        "activation.granularity": ["per_tensor", "per_token"],
        "activation.symmetric": [True, False],
        "activation.range": ["static", "dynamic"],
    }
    exclude = [{"kernel": "reference", "activation.range": "dynamic", "weight.format": ["uint8", "int4", "uint4"]}]
    frame = _run(tmp_path, "gemm", shapes, matrix, exclude=exclude, reference_rows=40)
    _assert_conforms(frame, kernels, at_least=4)
    ok = frame[frame["status"] == "ok"]
    assert (ok.loc[ok["m"] == 65, "reference_rows"] == 40).all()
    baseline = ok[ok["kernel"] == "ort_f32"]
    assert len(baseline) == 4
    assert baseline["weight_format"].isna().all()
    assert (baseline["sqnr_db"] > 100).all()


def test_product_noise_adds_up(tmp_path):
    """n = n_x + n_w + n_x·n_w, the operands' noise ratios, on independent Gaussian operands."""
    shapes = [{"name": "g", "m": 64, "n": 512, "k": 512}]
    matrix = {"kernel": "reference", "weight.format": "int4", "activation.format": ["int8", "int4"]}
    frame = _run(tmp_path, "gemm", shapes, matrix)
    for row in frame.itertuples():
        x, w = (10 ** (-value / 10) for value in (row.activation_sqnr_db, row.weight_sqnr_db))
        assert row.sqnr_db == pytest.approx(-10 * np.log10(x + w + x * w), abs=0.15)


def test_unquantized_activation_is_null(tmp_path):
    shapes = [{"name": "g", "m": 2, "n": 8, "k": 64}]
    frame = _run(tmp_path, "gemm", shapes, {"kernel": "reference", "scheme": "w4a16_g32"})
    assert frame["activation_format"].isna().all()
    assert frame["activation_sqnr_db"].isna().all()
    assert frame["scheme"].tolist() == ["w4a16_g32"]
    assert frame["bits_per_element"].tolist() == [4 + (32 + 4) / 32]
    assert frame["saturated_fraction"].isna().all()
    assert frame["clipping_mse"].isna().all()


def test_without_vnni_signed_weights_go_in_as_unsigned():
    """The same product on a CPU whose 16-bit intermediates saturate."""
    from dataclasses import replace

    from harness.kernels.family import Kernel
    from harness.kernels.gemm.oracle import FAMILY
    from harness.kernels.gemm.ort import MatMulInteger
    from harness.kernels.tensors import Tensors
    from harness.plan import plan
    from harness.suite import load_suite

    old = replace(find_device("cpu"), features=frozenset())
    suite = {
        "name": "v",
        "op": "gemm",
        "shapes": [{"name": "s", "m": 5, "n": 9, "k": 200}],
        "matrix": {"kernel": "ort_matmul_integer", "scheme": "w8a8"},
    }
    (case,) = plan(load_suite(suite), old)
    problem = FAMILY.problem(case, Tensors())
    kernel: Kernel = MatMulInteger(problem, old)
    kernel.launch()
    assert FAMILY.judge(problem, kernel.output()).conforms


def test_wrong_products_are_noticed():
    """The bounds are tight enough to see one unit in one int32 sum, and a tenth of a percent in one output."""
    from harness.kernels.gemm.oracle import FAMILY, Product
    from harness.kernels.tensors import Tensors
    from harness.plan import plan
    from harness.suite import load_suite

    suite = {
        "name": "w",
        "op": "gemm",
        "shapes": [{"name": "s", "m": 4, "n": 6, "k": 64}],
        "matrix": {"kernel": "reference", "scheme": "w8a8"},
    }
    (case,) = plan(load_suite(suite), find_device("cpu"))
    problem = FAMILY.problem(case, Tensors())
    right = problem.expected.copy()
    assert FAMILY.judge(problem, Product(right, "exact")).conforms
    unit = float(problem.weight.quantized.params.scale[3, 0] * problem.activation.quantized.params.scale[2, 0])
    wrong = right.copy()
    wrong[2, 3] += unit
    assert not FAMILY.judge(problem, Product(wrong, "exact")).conforms
    wrong = right.copy()
    wrong[1, 1] *= 1.01
    assert not FAMILY.judge(problem, Product(wrong, "f32")).conforms
    assert "shape" in FAMILY.judge(problem, Product(right[:2], "exact")).reason


def test_worst_block_is_a_scale_block_or_128_of_a_row(tmp_path):
    """A tensor whose second half is a hundred times smaller: one scale drowns it, a scale a group does not."""
    values = np.random.default_rng(0).uniform(-1, 1, (1, 256)).astype(np.float32)
    values[:, 128:] /= 100
    np.save(tmp_path / "x.npy", values)
    shapes = [{"name": "x", "tensor": f"file:{tmp_path / 'x.npy'}"}]
    matrix = {"kernel": "reference", "format": "int8", "granularity": ["per_tensor", "per_channel", "per_group:128"]}
    frame = _run(tmp_path, "quantize", shapes, matrix).set_index("granularity")
    worst = frame["worst_block_sqnr_db"]
    assert worst["per_tensor"] < frame.loc["per_tensor", "sqnr_db"] - 20
    assert worst["per_channel"] == frame.loc["per_channel", "sqnr_db"]
    assert worst["per_group:128"] > 45
