"""Whatever is in a file or a mapping: a Suite that can be planned, or a SuiteError. Nothing else, and soon."""

from __future__ import annotations

import contextlib
import copy
import re
import time
from typing import Any

import pytest
from example_suites import CPU, EXAMPLE, PRODUCT, TENSOR, product, tensor, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import SuiteError
from harness.kernels.ops import OPS
from harness.numerics.formats import FORMATS
from harness.numerics.scheme import SCHEMES
from harness.plan import plan
from harness.suite import Suite, load_suite
from harness.suite.model import AXES, axis_names, suite_model

_SETTINGS = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_BASES = (EXAMPLE, PRODUCT, TENSOR)


def _load(source: Any) -> None:
    started = time.perf_counter()
    try:
        suite = load_suite(source)
    except SuiteError as error:
        assert re.match(r"(?s).+:\d+:\d+: .", str(error))
        assert all(len(line) < 1000 for line in str(error).splitlines())
    else:
        assert isinstance(suite, Suite)
        cases = plan(suite, CPU)
        assert len({case.case_id for case in cases}) == len(cases)
    assert time.perf_counter() - started < 2


_TOKENS = (
    *"&a *a << : - ? [ ] { } , | > ' \" # ! !!int !!str !!binary %YAML --- ... ~ null true 1e999 .nan 0x 1:30".split(),
    "\n  ",
    "\t",
    "\r",
    "\0",
    "\x85",
    "\u2028",
    "\ufeff",
    "é",
    "\ud7ff",
    "<<: *a",
    "- &a {",
    ": [",
    "99999999999999999999999",
    "per_group:",
    "model:",
    "captured",
    "file:x.npy",
    "none",
    "*x*",
)
_piece = st.one_of(
    st.sampled_from(_TOKENS).map(str.encode),
    st.binary(max_size=4),
    st.sampled_from([*SCHEMES, *FORMATS, *AXES]).map(str.encode),
)
_edits = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 12), _piece), min_size=1, max_size=4)


@pytest.mark.parametrize("base", _BASES, ids=["example", "product", "tensor"])
def test_bytes_that_are_changed(tmp_path, base):
    @_SETTINGS
    @given(_edits)
    def check(edits):
        data = base.encode()
        for start, length, piece in edits:
            start %= len(data) + 1
            data = data[:start] + piece + data[start + length :]
        _load(write(tmp_path, data))

    check()


_WORDS = sorted(
    {
        *SCHEMES,
        *FORMATS,
        *(key for op in OPS for key in suite_model(op).model_fields),
        *(axis for op in OPS.values() for axis in axis_names(op)),
        *("none captured reference ort_f32 per_tensor per_token per_group:3 per_block:*x2 kl:7 fixed:1e-30".split()),
        *("percentile:50.1 e4m3 dynamic cold a b s* normal uniform distribution file weight activation m n k".split()),
        *(
            "model:rapidocr-rec/conv2d_157 model:x captured:minilm-l6/x file:x.npz#k rows cols shape channel_axis".split()
        ),
    }
)
_scalars = st.one_of(
    st.sampled_from(_WORDS),
    st.booleans(),
    st.none(),
    st.integers(-3, 70),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
)
_keys = st.one_of(st.sampled_from(_WORDS), st.text(max_size=3), st.integers(0, 1))
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_keys, inner, max_size=4)),
    max_leaves=12,
)


def _paths(value: Any, path: tuple = ()) -> list[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, inner in items for deeper in _paths(inner, (*path, key)))]


def _put(value: Any, path: tuple, new: Any) -> Any:
    if not path:
        return new
    *holders, last = path
    target = value
    for step in holders:
        target = target[step]
    target[last] = new
    return value


_SUITES = (
    tensor(
        shapes=[{"name": "a", "rows": 4, "cols": [8, 16]}, {"name": "b", "shape": [2, 3, 4], "channel_axis": 1}],
        data={"tensor": {"distribution": "uniform", "low": 0, "high": 2}},
        include=[{"scheme": ["mxfp4", "w8a8"], "shape": "a"}],
        exclude=[{"kernel": "reference", "shape": "b"}],
        baseline={"cpu": "reference"},
        measure={"l2": "hot", "min_samples": 3},
    ),
    product(
        shapes=[
            {"name": "a", "m": [1, 4], "n": 8, "k": 32},
            {"name": "b", "m": 4, "weight": "model:rapidocr-rec/conv2d_184"},
        ],
        matrix={"kernel": ["ort_f32", "dp4a"], "scheme": ["w8a8", "nvfp4"], "activation.calibration": ["kl", "mse"]},
        include=[{"weight.format": "int4", "activation.format": "none"}],
        exclude=[{"scheme": "nvfp4"}],
        baseline={"cpu": "ort_f32"},
    ),
)


@pytest.mark.parametrize("base", _SUITES, ids=["tensor", "product"])
def test_mappings_with_a_value_replaced(base):
    paths = _paths(base)[1:]

    @_SETTINGS
    @given(st.lists(st.tuples(st.sampled_from(paths), _values), min_size=1, max_size=2))
    def check(changes):
        suite = copy.deepcopy(base)
        for path, new in changes:
            with contextlib.suppress(TypeError, KeyError, IndexError):  # an earlier change took the place away
                suite = _put(suite, path, new)
        _load(suite)

    check()


@_SETTINGS
@given(st.dictionaries(_keys, _values, max_size=6), st.sampled_from([*OPS, None]))
def test_any_mapping(suite, op):
    _load(suite if op is None else {"name": "s", "op": op, **suite})


@_SETTINGS
@given(st.text(max_size=200))
def test_any_text(tmp_path, text):
    _load(write(tmp_path, text.encode(errors="surrogatepass")))
