"""Planning: what becomes a case on a device, what is skipped and why; and that planning touches nothing."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from example_suites import CPU, CUDA, EXAMPLE, cases_of, planned, product, tensor, write

import harness.kernels
from harness.device import Device
from harness.kernels import ops
from harness.plan import plan
from harness.suite import load_suite

ROOT = Path(__file__).resolve().parent.parent


def test_the_documentation_s_example(tmp_path):
    cases = plan(load_suite(write(tmp_path, EXAMPLE)), CPU)
    shapes, schemes, activations = 7, 2 * 3 * 2 * 4, 2
    assert Counter(case.kernel for case in cases) == {
        "cublas_f16": shapes,
        "ort_f32": shapes,
        **dict.fromkeys(("dp4a", "wmma_s8", "ort_matmul_integer", "reference"), shapes * schemes * activations),
    }
    assert {case.skip for case in cases if case.backend == "cuda"} == {"needs the cuda backend"}
    assert all(case.skip is None for case in cases if case.kernel == "ort_f32")
    assert sum(case.skip is None for case in cases) > 500


def test_running_order_is_shape_by_shape_the_baseline_first(tmp_path):
    cases = plan(load_suite(write(tmp_path, EXAMPLE)), CPU)
    order = [case.shape for case in cases]
    assert order == sorted(order, key=list(dict.fromkeys(order)).index)
    for shape in dict.fromkeys(order):
        first = next(case for case in cases if case.shape == shape)
        assert first.kernel == "ort_f32"
        assert {case.baseline for case in cases if case.shape == shape} == {first.case_id}


def test_kernels_of_one_scheme_are_neighbours():
    cases = cases_of(product, kernel=["reference", "ort_matmul_integer"], weight__format=["int8", "int4"])
    assert [(case.kernel, case.operands[0].scheme.format) for case in cases] == [
        ("reference", "int8"),
        ("ort_matmul_integer", "int8"),
        ("reference", "int4"),
        ("ort_matmul_integer", "int4"),
    ]


_SMALL = Device("cpu", "cpu", "test", "x86_64", 1 << 20)
_SKIPS = {
    "kl on small blocks": (tensor, {"format": "int8", "calibration": "kl", "granularity": "per_channel"}, "kl needs blocks of at least 2048 elements"),
    "kl on enough": (tensor, {"format": "int8", "calibration": "kl"}, None),
    "kl on a short last block": (
        product,
        {"weight__format": "int8", "weight__calibration": "kl", "weight__granularity": "per_group:4000"},
        "weight: kl needs blocks of at least 2048 elements",
    ),
    "kl on floats": (tensor, {"format": "fp8_e4m3", "calibration": "kl"}, "kl is defined for integer formats, not fp8_e4m3"),
    "kl with few bins": (tensor, {"format": "int8", "calibration": "kl:64"}, "kl needs more bins than the 256 levels of int8"),
    "asymmetric floats": (tensor, {"format": "fp4_e2m1", "symmetric": False}, "asymmetric needs an integer format, not fp4_e2m1"),
    "asymmetric binary": (tensor, {"format": "binary", "symmetric": False}, "asymmetric needs an integer format, not binary"),
    "narrow floats": (tensor, {"format": "nf4", "narrow_range": True}, "narrow_range needs a signed integer format, not nf4"),
    "narrow unsigned": (tensor, {"format": "uint8", "narrow_range": True}, "narrow_range needs a signed integer format, not uint8"),
    "dynamic mse": (tensor, {"format": "int8", "range": "dynamic", "calibration": "mse"}, "a dynamic range is minmax, not mse"),
    "of the activation": (
        product,
        {"weight__format": "int8", "activation__format": "fp8_e4m3", "activation__symmetric": False},
        "activation: asymmetric needs an integer format, not fp8_e4m3",
    ),
    "both: the first": (
        product,
        {"weight__format": "nf4", "weight__symmetric": False, "activation__format": "nf4", "activation__symmetric": False},
        "weight: asymmetric needs an integer format, not nf4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("label", _SKIPS)
def test_skipped_with_the_reason(label):
    make, axes, reason = _SKIPS[label]
    (case,) = cases_of(make, **axes)
    assert case.skip == reason


@pytest.mark.parametrize(
    ("shape", "memory", "reason"),
    [
        ({"m": 16, "n": 64, "k": 4096}, 16 * (16 + 64) * 4096 + 8 * 16 * 64, None),
        ({"m": 16, "n": 64, "k": 4096}, 16 * (16 + 64) * 4096 + 8 * 16 * 64 - 1, "needs about 0.0 GiB, cpu has 0.0"),
        ({"m": 65536, "n": 65536, "k": 16}, 8 << 30, "needs about 32.0 GiB, cpu has 8.0"),
        ({"m": 1, "n": 65536, "k": 65536}, 16 << 30, "needs about 64.0 GiB, cpu has 16.0"),
    ],
)
def test_too_large_for_the_memory(shape, memory, reason):
    device = dataclasses.replace(CPU, memory_bytes=memory)
    (case,) = planned(product(shapes=[{"name": "a", **shape}]), device)
    assert case.skip == reason


def test_too_large_a_tensor():
    (case,) = planned(tensor(shapes=[{"name": "a", "rows": 1 << 15, "cols": 1 << 15}]), _SMALL)
    assert case.skip == "needs about 16.0 GiB, cpu has 0.0"


def test_absent_backends_come_first_among_the_reasons():
    (case,) = cases_of(product, kernel="dp4a", weight__format="nf4", weight__symmetric=False)
    assert case.skip == "needs the cuda backend"
    assert case.backend == "cuda"
    (case,) = cases_of(product, kernel="ort_matmul_integer", weight__format="int8", device=CUDA)
    assert case.skip == "needs the cpu backend"


def test_a_kernel_without_an_implementation(monkeypatch):
    table = harness.kernels._by_op_and_name()
    monkeypatch.setitem(table, ("gemm", "dp4a"), dataclasses.replace(table["gemm", "dp4a"], entry=""))
    (case,) = cases_of(product, kernel="dp4a", weight__format="int8", device=CUDA)
    assert case.skip == "this version has no dp4a"


def test_kernels_give_their_own_reasons():
    (case,) = cases_of(product, kernel="ort_matmul_integer", weight__format="int4", activation__format="int8")
    assert case.skip == "takes no weight of format int4"


def test_the_reference_runs_anywhere():
    for device in (CPU, CUDA):
        (case,) = planned(product(), device)
        assert (case.skip, case.backend) == (None, "cpu")  # NumPy, on the host


def test_operands_of_a_product():
    (case,) = cases_of(product, scheme="w8a8", more={"data": {"weight": {"distribution": "laplace"}}})
    weight, activation = case.operands
    assert (weight.role, weight.shape, weight.channel_axis) == ("weight", (64, 4096), 0)
    assert (activation.role, activation.shape, activation.channel_axis) == ("activation", (16, 4096), 1)
    assert (weight.source.label, activation.source.label) == ("laplace", "normal")


def test_operand_of_one_tensor():
    (case,) = planned(tensor(shapes=[{"name": "a", "shape": [2, 3, 4, 5], "channel_axis": 2}]))
    (operand,) = case.operands
    assert (operand.role, operand.shape, operand.channel_axis) == ("tensor", (2, 3, 4, 5), 2)


def test_types_are_part_of_names_and_operands():
    cases = planned(tensor(shapes=[{"name": "a", "rows": 64, "cols": 128, "dtype": ["f32", "f16", "bf16"]}]))
    assert [case.name for case in cases] == [
        "quantize/reference/a[64x128]/int8/per_tensor",
        "quantize/reference/a[64x128,f16]/int8/per_tensor",
        "quantize/reference/a[64x128,bf16]/int8/per_tensor",
    ]
    assert [case.operands[0].dtype for case in cases] == ["f32", "f16", "bf16"]
    assert [case.skip for case in cases] == [None, None, None]


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize(
    ("op", "name"),
    [(spec.op, spec.name) for spec in harness.kernels.KERNELS if spec.backend == "cpu" and spec.op != "gemm"],
)
def test_cpu_kernels_take_f32_only(op, name, dtype):
    axes = {"format": "uint8", "symmetric": False, "range": "dynamic" if "dynamic" in name else "static"}
    shapes = [{"name": "a", "rows": 64, "cols": 128, "dtype": ["f32", dtype]}]
    cases = cases_of(tensor, kernel=name, more={"op": op, "shapes": shapes}, **axes)
    assert [case.skip for case in cases] == [None, "takes tensors of f32 only"]


def test_names():
    (case,) = planned(tensor())
    assert case.name == "quantize/reference/a[64x128]/int8/per_tensor"
    (case,) = planned(product())
    assert case.name == "gemm/reference/a[16x64x4096]/int8/per_tensor x none"


@pytest.mark.parametrize("op", ops.OPS)
def test_every_op_can_be_planned(op):
    make = tensor if ops.OPS[op].one_tensor else product
    (case,) = planned(make(op=op))
    assert (case.op, case.skip) == (op, None)


_ALONE = """
import sys

NETWORK = ("ssl", "http.client", "urllib.request", "requests", "onnxruntime", "onnx", "pyarrow", "pandas")

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in NETWORK or name.split(".")[0] in NETWORK:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
import harness.plan, harness.suite
from harness.device import Device

def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise RuntimeError("planning writes " + str(arguments[0]))
    if event.startswith(("socket.", "os.mkdir", "os.rename", "os.remove", "shutil.", "tempfile.", "subprocess.")):
        raise RuntimeError("planning does " + event)

sys.addaudithook(watch)
suite = harness.suite.load_suite(sys.argv[1])
cases = harness.plan.plan(suite, Device("cpu", "cpu", "test", "x86_64", 64 << 30, frozenset({"vnni", "avx2", "f16c"})))
print(suite)
for case in cases:
    print(case)
"""


def test_planning_is_pure_and_the_same_in_every_process(tmp_path):
    """No network, no device, nothing written, no large import; and no order of a hash table shows."""
    path = write(tmp_path, EXAMPLE + "# weights come from models\n")
    outputs = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1", "HARNESS_PLUGINS": ""}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, "-c", _ALONE, str(path)], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].count("\n") > 2000
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_planning_twice_is_the_same_and_leaves_the_suite_alone(tmp_path):
    suite = load_suite(write(tmp_path, EXAMPLE))
    before = repr(suite)
    assert plan(suite, CPU) == plan(suite, CPU)
    assert repr(suite) == before
