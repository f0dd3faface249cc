"""Tensors as callers have them: views that begin anywhere, and tensors without elements."""

from __future__ import annotations

import numpy as np
import pytest
from example_suites import tensor

from harness.backends.cuda.compiler import precompile
from harness.backends.cuda.kernel import WIDEST_ACCESS
from harness.case import request_of
from harness.kernels import KERNELS
from harness.kernels.common.affine_kernel import MOVED_IN_VECTORS, as_aligned
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.fake_quantize_backward.oracle import BackwardProblem
from harness.kernels.ops import OPS
from harness.kernels.spec import KernelSpec, OperandPlan, load_attribute
from harness.kernels.tensors import Tensors
from harness.numerics.quantize import quantize
from harness.numerics.scheme import OperandScheme
from harness.numerics.value_types import VALUE_TYPES, value_type
from harness.plan import plan
from harness.suite import load_suite

OPS_OF_ONE_TENSOR = ("quantize", "dequantize", "fake_quantize", "ste_backward", "lsq_backward", "statistics")
ROWS = [spec for spec in KERNELS if spec.cuda is not None and spec.role == "kernel" and spec.op in OPS_OF_ONE_TENSOR]
NAMES = [f"{spec.op}/{spec.name}" for spec in ROWS]
SHAPES = [
    {"name": "even", "rows": 31, "cols": 256, "dtype": ["f32", "bf16"]},
    {"name": "line", "shape": [4097], "dtype": "bf16"},
]
FORMATS = ["int8", "int4", "fp6_e2m3", "nf4"]
GRANULARITIES = ["per_tensor", "per_group:32", "per_block:2x16"]


@pytest.fixture(scope="module", autouse=True)
def _compiled(device):
    """Every compilation at once, in parallel: addresses are multiples of an element only, codes' of a byte."""
    wanted = []
    for spec in ROWS:
        for case in _cases(spec, device):
            codes = spec.op in ("quantize", "dequantize")
            size = 1 if codes else value_type(case.operands[0].dtype).bytes
            wanted.append(as_aligned(spec.cuda.specialise(request_of(case.operands)), size))
    precompile(tuple(dict.fromkeys(wanted)), device.architecture, lambda text: None)


def _cases(spec: KernelSpec, device):
    dynamic = spec.name.startswith("dynamic")
    matrix = {
        "kernel": spec.name,
        "format": FORMATS,
        "granularity": GRANULARITIES,
        "range": "dynamic" if dynamic else "static",
        "calibration": "minmax" if dynamic else "percentile:90",
    }
    cases = plan(load_suite(tensor(op=spec.op, shapes=SHAPES, matrix=matrix)), device)
    found = [case for case in cases if case.skip is None]
    assert len(found) >= 12
    return found


@pytest.mark.parametrize("spec", ROWS, ids=NAMES)
def test_views_that_begin_one_element_late(spec, device):
    family, tensors = load_attribute(OPS[spec.op].family), Tensors()
    shifted = type("Shifted", (spec.load(),), {"offset": 1})
    for case in _cases(spec, device):
        problem = family.problem(case, tensors)
        kernel = shifted(problem, device)
        assert kernel.alignment(MOVED_IN_VECTORS) < WIDEST_ACCESS
        kernel.launch()
        verdict = family.judge(problem, kernel.output())
        assert verdict.conforms, f"{case.name}: {verdict.reason}"
        assert kernel.altered_operand() is None


def _empty(op: str, shape: tuple[int, ...], granularity: str, symmetric: bool, dynamic: bool):
    scheme = OperandScheme("int8", granularity, symmetric, range="dynamic" if dynamic else "static")
    values = np.zeros(shape, np.float32)
    problem = TensorProblem(values, quantize(values, scheme), 8.0, VALUE_TYPES["f32"])
    if op.endswith("backward"):
        return BackwardProblem(problem, values, load_attribute(OPS[op].family).rule), scheme
    return problem, scheme


@pytest.mark.parametrize("granularity", ["per_tensor", "per_token", "per_group:32", "per_block:2x16"])
@pytest.mark.parametrize("shape", [(0, 64), (3, 0), (0,)], ids=str)
@pytest.mark.parametrize("spec", ROWS, ids=NAMES)
def test_tensors_without_elements(spec, shape, granularity, device):
    family = load_attribute(OPS[spec.op].family)
    for symmetric in (True, False):
        problem, scheme = _empty(spec.op, shape, granularity, symmetric, spec.name.startswith("dynamic"))
        if spec.problem({"tensor": OperandPlan(shape, scheme)}, device) is not None:
            continue  # then no case is planned, and the reason is said
        kernel = spec.load()(problem, device)
        kernel.launch()
        verdict = family.judge(problem, kernel.output())
        assert verdict.conforms, verdict.reason
