"""The messages of suites that are refused: place, rule, what was got, remedy."""

from __future__ import annotations

import re
import time

import pytest
from example_suites import CARET, PRODUCT, TENSOR, marked, tensor, write

from harness.errors import SuiteError
from harness.suite import load_suite

# Each row: the text that is replaced in a suite (nothing: added at its end), what comes instead with ‸ where the error
# is to be, and what the message says.
PRODUCTS = {
    # unknown names
    "top-level key": ("", "‸mesure: {}\n", "mesure: unknown key (got 'mesure'); did you mean measure?"),
    "axis": ("weight.format:", "‸weight.formt:", "unknown key (got 'weight.formt'); did you mean weight.format?"),
    "axis without its prefix": ("weight.format:", "‸format:", "unknown key (got 'format'); did you mean"),
    "kernel": (
        "[reference,",
        "[‸referense,",
        "must be a known kernel of gemm (got 'referense'); did you mean reference?",
    ),
    "kernel of another op": ("ort_f32]", "‸ort_qdq]", "must be a known kernel of gemm (got 'ort_qdq')"),
    "format": ("int8", "‸itn8", "must be a known element format (got 'itn8'); did you mean int8?"),
    "format, second": ("int8", "[int4, ‸int9]", "weight.format.1: must be a known element format (got 'int9')"),
    "granularity": ("per_channel]", "‸per_chanel]", "(got 'per_chanel'); did you mean per_channel?"),
    "calibration": ("", "  weight.calibration: ‸minmx\n", "(got 'minmx'); did you mean minmax?"),
    "scale format": ("", "  weight.scale_format: [f32, ‸e8m1]\n", "(got 'e8m1'); did you mean e8m0?"),
    "range": ("", "  weight.range: ‸dynamik\n", "(got 'dynamik'); did you mean dynamic?"),
    "preset": (
        "weight.format: int8",
        "scheme: [w8a8, ‸w4a16]",
        "must be a known preset (got 'w4a16'); did you mean w4a16_g128, w4a16_g32 or w4a16_g64?",
    ),
    "distribution": ("", "data: {weight: {distribution: ‸norml}}\n", "(got 'norml'); did you mean normal?"),
    "parameter": (
        "",
        "data:\n  weight:\n    distribution: normal\n    ‸stdd: 1\n",
        "unknown parameter of normal (got 'stdd'); did you mean std?",
    ),
    "parameter of another": ("", "data: {weight: {distribution: normal, ‸df: 1}}\n", "unknown parameter of normal"),
    "model": ("n: 64,", "weight: ‸model:minilm-l7/x,", "(got 'minilm-l7'); did you mean minilm-l6?"),
    "layer": (
        "n: 64,",
        "weight: ‸model:minilm-l6/encoder.layer.0.output.dens,",
        "did you mean encoder.layer.0.output.dense?",
    ),
    "captured model": ("n: 64,", "activation: ‸captured:rapidocr-rex/conv2d_184,", "did you mean rapidocr-rec?"),
    "op": ("op: gemm", "op: ‸gem", "must be a known op (got 'gem'); did you mean gemm?"),
    "measure key": ("", "measure: {‸min_sample: 3}\n", "(got 'min_sample'); did you mean min_samples?"),
    "shape key": ("    n: 8\n", "    ‸nn: 8\n", "shapes.1.nn: unknown key (got 'nn'); did you mean n?"),
    "shape key of one tensor": ("n: 64,", "‸rows: 64,", "shapes.0.rows: unknown key"),
    "shape key dtype": ("n: 64,", "n: 64, dtype: ‸fp16,", "shapes.0.dtype.0: must be a known value type (got 'fp16')"),
    "data role": ("", "data: {‸weights: {distribution: normal}}\n", "did you mean weight?"),
    "baseline backend": ("", "baseline: {‸cudda: cublas_f16}\n", "(got 'cudda'); did you mean cuda?"),
    "baseline kernel": ("", "baseline: {cuda: ‸cublas_f61}\n", "did you mean cublas_f16?"),
    "baseline of another backend": ("", "baseline: {cpu: ‸cublas_f16}\n", "must be a known kernel of gemm on cpu"),
    "include's axis": ("", "include:\n  - ‸kernl: reference\n", "did you mean kernel?"),
    "exclude's value": ("", "exclude: [{weight.format: [int8, ‸in4]}]\n", "did you mean int4?"),
    "exclude's shape": ("", "exclude: [{shape: [a, ‸bb]}]\n", "must match the name of a shape (got 'bb')"),
    "l2": ("", "measure: {l2: ‸warm}\n", "must be 'cold' or 'hot' (got 'warm')"),
    # wrong types
    "name is a number": ("name: small", "name: ‸5", "must be text (got 5); put it in quotes"),
    "name is sexagesimal": ("name: small", "name: ‸1:30", "(got '1:30')"),
    "name has a slash": ("name: small", "name: ‸a/b", "letters, digits, dots, dashes or underscores (got 'a/b')"),
    "name is empty": ("name: small", "name: ‸''", "(got '')"),
    "shape's name": ("name: a,", 'name: ‸"a\\nb",', "none of them a control character"),
    "shape's name is empty": ("name: a,", "name: ‸'',", "1 to 200 characters"),
    "shape's name is a number": ("name: b", "name: ‸8", "must be text (got 8)"),
    "seed is text": ("", "seed: ‸x\n", "must be a whole number (got 'x')"),
    "seed is octal": ("", "seed: ‸010\n", "must be a whole number (got '010')"),
    "seed is negative": ("", "seed: ‸-1\n", "must be at least 0 (got -1)"),
    "seed is huge": ("", "seed: ‸9223372036854775808\n", "must be less than 9223372036854775808"),
    "seed is true": ("", "seed: ‸true\n", "must be a whole number (got true)"),
    "shapes is a mapping": ("", "include: ‸{kernel: reference}\n", "must be a list (got a mapping)"),
    "shape is text": ("  - {name: a, m: [1, 16], n: 64, k: 64}\n", "  - ‸a\n", "must be a mapping (got 'a')"),
    "matrix is a list": ("", "measure: ‸[]\n", "measure: must be a mapping (got an empty list)"),
    "kernel is a mapping": ("[reference, ort_f32]", "‸{a: b}", "must be text (got a mapping)"),
    "flag is text": ("", "  weight.symmetric: ‸'true'\n", "must be true or false (got 'true')"),
    "flag is a number": ("", "  weight.symmetric: [true, ‸1]\n", "must be true or false (got 1)"),
    "time is text": ("", "measure: {max_time_s: ‸'2.0'}\n", "must be a number (got '2.0')"),
    "time is true": ("", "measure: {max_time_s: ‸yes}\n", "must be a number (got true)"),
    "time is infinite": ("", "measure: {max_time_s: ‸.inf}\n", "must be finite (got inf)"),
    "time is zero": ("", "measure: {max_time_s: ‸0}\n", "must be greater than 0 (got 0)"),
    "samples is a float": ("", "measure: {min_samples: ‸1.5}\n", "must be a whole number (got 1.5)"),
    "rows to check": ("", "reference_rows: ‸70000\n", "must be at most 65536 (got 70000)"),
    "data is a number": ("", "data: {weight: ‸5}\n", "(got 5)"),
    "data is a list": ("", "data: {weight: ‸[normal]}\n", "(got a list)"),
    "data is a word": ("", "data: {weight: ‸normal}\n", "(got 'normal')"),
    "data is empty": ("", "data: {weight: ‸{}}\n", "must have `distribution` or `file` (got nothing)"),
    "std is text": ("", "data: {weight: {distribution: normal, std: ‸x}}\n", "must be a number (got 'x')"),
    "std is a flag": ("", "data: {weight: {distribution: normal, std: ‸true}}\n", "must be a number (got true)"),
    "std is NaN": ("", "data: {weight: {distribution: normal, std: ‸.nan}}\n", "must be finite (got nan)"),
    "std is zero": ("", "data: {weight: {distribution: normal, std: ‸0}}\n", "must be greater than 0 (got 0)"),
    "outliers": ("", "data: {weight: {distribution: laplace, outlier_channels: ‸2}}\n", "a fraction between 0 and 1"),
    "empty range": ("", "data: {weight: ‸{distribution: uniform, low: 3}}\n", "needs high greater than low (got low=3"),
    "file's type": ("", "data: {weight: ‸'file:x.txt'}\n", "must end in .npy, .npz, .safetensors"),
    "file and more": ("", "data: {weight: ‸{file: x.npy, std: 1}}\n", "`file` takes no other keys (got std)"),
    # missing
    "no name": ("name: small\n", "‸", "name is missing (got op, shapes, matrix); add it"),
    "no op": ("op: gemm\n", "", "op is missing (got name, shapes, matrix); add op: with one of quantize,"),
    "no m": ("m: [1, 16], ", "", "shapes.0: m is missing (got name, n, k); add it"),
    "no n": ("n: 64, ", "", "shapes.0: needs n and k where the weight is no real tensor (got no n); add n"),
    "no kernel": ("kernel: [reference, ort_f32]\n  ", "‸", "matrix: kernel is missing (got weight.format"),
    "no value": ("format: int8", "format:‸", "matrix.weight.format: needs a value (got nothing, or null)"),
    "no format": ("  weight.format: int8\n", "", "needs a quantized weight (got no weight.format beside it"),
    "no format of the activation": ("", "  ‸activation.range: static\n", "needs a quantized activation"),
    "only format none": ("int8\n  weight", "none\n  ‸weight", "needs a quantized weight"),
    "presets without activations": (
        "weight.format: int8",
        "scheme: [w8a16, binary]\n  ‸activation.calibration: mse",
        "needs a quantized activation",
    ),
    "no format in an include": ("", "include: [{‸weight.calibration: mse}]\n", "include.0.weight.calibration: needs"),
    # extents
    **{
        f"m {value}": ("m: 4", f"m: ‸{value}", message)
        for value, message in {
            "-1": "must be at least 1 (got -1)",
            "0": "must be at least 1 (got 0)",
            "2147483648": "must be at most 2147483647",
            "99999999999999999999": "must be at most 2147483647",
            "true": "must be a whole number (got true)",
            "4.0": "must be a whole number (got 4.0)",
            "1e3": "must be a whole number (got 1000.0)",
            "'4'": "must be a whole number (got '4')",
            "1:30": "must be a whole number (got '1:30')",
            ".nan": "must be a whole number (got nan)",
            "[]": "needs at least one value (got an empty list)",
            "{a: 1}": "must be a whole number (got a mapping)",
        }.items()
    },
    "m in a list": ("[1, 16]", "[1, ‸0]", "shapes.0.m.1: must be at least 1 (got 0)"),
    "m in a list of lists": ("[1, 16]", "[1, ‸[2]]", "must be a whole number (got a list)"),
    "too large": (
        "m: 4\n    n: 8\n    k: 32\n",
        "m: 4\n    n: 800\n    k: [8, 2000000000]\n",
        "a tensor has at most 2^36 elements",
    ),
    "too large a product": ("m: 4\n    n: 8", "m: 2000000\n    n: 2000000", "a tensor has at most 2^36 elements"),
    "too many shapes": (
        "m: 4\n    n: 8",
        f"m: {[*range(1, 500)]}\n    n: {[*range(1, 500)]}",
        "a suite has at most 50000 shapes (got 249001 in one entry)",
    ),
    # empty lists
    "no shapes": (
        PRODUCT[PRODUCT.index("shapes:") : PRODUCT.index("matrix")],
        "shapes: ‸[]\n",
        "needs at least 1 value",
    ),
    "no kernels": ("[reference, ort_f32]", "‸[]", "needs at least one value (got an empty list)"),
    "empty entry": ("", "exclude: [‸{}]\n", "exclude.0: needs at least one axis (got none)"),
    "include of a shape alone": ("", "include: [‸{shape: a}]\n", "include.0: needs at least one axis (got none)"),
    "empty entry's axis": ("", "exclude: [{kernel: ‸[]}]\n", "needs at least one value (got an empty list)"),
    # arguments
    **{
        f"calibration {text}": ("", f"  weight.calibration: ‸{text}\n", message)
        for text, message in {
            "percentile": "(got 'percentile'); write percentile:99.9",
            "percentile:0": "P lies above 50 and at most at 100",
            "percentile:101": "P lies above 50 and at most at 100",
            "percentile:50": "P lies above 50 and at most at 100",
            "percentile:50.00000000000000000001": "P lies above 50 and at most at 100",
            "percentile:x": "write percentile:99.9",
            "percentile:nan": "write percentile:99.9",
            "percentile:1e-99999999": "exponents of two digits",
            "kl:0": "BINS is a whole number from 2 to 65536",
            "kl:1.5": "BINS is a whole number from 2 to 65536",
            "'kl:'": "write kl or kl:2048",
            "fixed": "write fixed:3.5",
            "fixed:-1": "write fixed:3.5",
            "fixed:0": "A is a positive number",
            "fixed:inf": "write fixed:3.5",
            "fixed:1e39": "A is a positive number",
            "fixed:1e400": "exponents of two digits",
            "fixed:1e99999999999": "exponents of two digits",
            "fixed:1e-400": "exponents of two digits",
            "minmax:3": "write minmax",
        }.items()
    },
    **{
        f"granularity {text}": ("per_channel]", f"‸{text}]", message)
        for text, message in {
            "per_group:0": "per_group takes a positive group size (got 'per_group:0'); write per_group:128",
            "per_group": "write per_group:128",
            "per_group:1.5": "per_group takes a positive group size",
            "per_group:-8": "per_group takes a positive group size",
            "per_block:8": "per_block takes RxC",
            "per_block:0x8": "write per_block:128x128 or per_block:128x*",
            "per_tensor:3": "write per_tensor without an argument",
            "per_group:99999999999": "per_group takes a positive group size",
        }.items()
    },
    # real data
    "grouped convolution": (
        "n: 64, k: 64",
        "weight: ‸model:rapidocr-rec/conv2d_157",
        "a weight is one matrix (got model:rapidocr-rec/conv2d_157, a convolution of 16 groups)",
    ),
    "captured without a layer": ("n: 64,", "activation: ‸captured, n: 64,", "`captured` needs a weight of the form"),
    "captured weight": ("n: 64,", "weight: ‸captured,", "captured is the input of the weight beside it"),
    "captured by default": ("", "data: {activation: ‸captured}\n", "`captured` needs a weight of the form"),
    "captured of a model without": (
        "n: 64, k: 64",
        "weight: model:minilm-l6/encoder.layer.0.output.dense, activation: ‸captured",
        "cannot be captured",
    ),
    "more rows than captured": (
        "[1, 16], n: 64, k: 64",
        "[1, ‸5000], weight: model:rapidocr-rec/conv2d_184, activation: captured",
        "must be at most 4096, the rows of captured:rapidocr-rec/conv2d_184 (got 5000)",
    ),
    "other n": (
        "n: 64, k: 64",
        "weight: model:rapidocr-rec/conv2d_184, n: ‸[480, 64]",
        "n of model:rapidocr-rec/conv2d_184 is 480 (got 480, 64); leave n out",
    ),
    "other k": (
        "n: 64, k: 64",
        "weight: model:rapidocr-rec/conv2d_184, k: ‸64",
        "k of model:rapidocr-rec/conv2d_184 is 480 (got 64)",
    ),
    "activation of another k": (
        "n: 64, k: 64",
        "n: 64, k: 64, activation: ‸captured:rapidocr-rec/conv2d_184",
        "an activation is [m, 64] here (got captured:rapidocr-rec/conv2d_184 of shape [4096, 480])",
    ),
    "a weight as activation, not whole": (
        "[1, 16], n: 64, k: 64",
        "[480, ‸16], n: 64, k: 480, activation: model:rapidocr-rec/conv2d_184",
        "must be 480, the rows of model:rapidocr-rec/conv2d_184 (got 16)",
    ),
}

TENSORS = {
    "rows without cols": (", cols: 8", "", "shapes.0: rows and cols come together (got rows alone); add cols"),
    "cols without rows": ("rows: 4, ", "", "rows and cols come together (got cols alone); add rows"),
    "both": ("cols: 8", "cols: 8, shape: [4, 8]", "takes rows and cols, or shape (got both); keep one"),
    "neither": (", rows: 4, cols: 8", "", "needs rows and cols, or shape (got neither)"),
    "channel_axis": ("channel_axis: 1", "channel_axis: ‸4", "must be at most 3 (got 4)"),
    "channel_axis of a matrix": (
        "cols: 8",
        "cols: 8, channel_axis: ‸2",
        "must be an axis of the tensor, below 2 (got 2)",
    ),
    "channel_axis of a vector": (
        "[2, 3, 4, 5], channel_axis: 1",
        "[5], channel_axis: ‸1",
        "must be an axis of the tensor, below 1 (got 1)",
    ),
    "channel_axis is negative": ("channel_axis: 1", "channel_axis: ‸-1", "must be at least 0 (got -1)"),
    "channel_axis is true": ("channel_axis: 1", "channel_axis: ‸true", "must be a whole number (got true)"),
    "empty shape": ("[2, 3, 4, 5]", "‸[]", "needs at least 1 value"),
    "five axes": ("[2, 3, 4, 5]", "‸[2, 3, 4, 5, 6]", "takes at most 4 values"),
    "zero extent": ("[2, 3, 4, 5]", "[2, ‸0, 4, 5]", "shapes.1.shape.1: must be at least 1 (got 0)"),
    "extent is text": ("[2, 3, 4, 5]", "[2, ‸x, 4, 5]", "must be a whole number (got 'x')"),
    "format none": ("[int8, int4]", "[int8, ‸none]", "must be a known element format (got 'none')"),
    "no format": ("  format: [int8, int4]\n", "", "matrix: format is missing (got neither format nor scheme)"),
    "no format in an include": ("", "include: [‸{kernel: reference}]\n", "include.0: format is missing"),
    "axis of a product": ("  format", "  ‸weight.format", "unknown key (got 'weight.format'); did you mean format?"),
    "data role": ("", "data: {‸weight: {distribution: normal}}\n", "unknown key (got 'weight'); known: tensor"),
    "captured": ("rows: 4, cols: 8", "tensor: ‸captured", "write captured:MODEL/LAYER"),
    "other extents": (
        "rows: 4, cols: 8",
        "rows: ‸4, cols: 8, tensor: model:rapidocr-rec/conv2d_184",
        "model:rapidocr-rec/conv2d_184 has shape [480, 480] (got [4, 8]); leave the extents out",
    ),
    "other shape of as many elements": (
        "rows: 4, cols: 8",
        "shape: ‸[240, 960], tensor: model:rapidocr-rec/conv2d_184",
        "has shape [480, 480] (got [240, 960])",
    ),
    "more rows than captured": (
        "rows: 4, cols: 8",
        "rows: ‸4097, cols: 480, tensor: captured:rapidocr-rec/conv2d_184",
        "has shape [4096, 480] (got [4097, 480])",
    ),
    "baseline of another op": ("", "baseline: {cpu: ‸ort_f32}\n", "must be a known kernel of quantize on cpu"),
    "dtype": (
        "cols: 8",
        "cols: 8, dtype: ‸fp16",
        "shapes.0.dtype.0: must be a known value type (got 'fp16'); did you mean f16?",
    ),
    "dtype in a list": (
        "cols: 8",
        "cols: 8, dtype: [f32, ‸bf61]",
        "shapes.0.dtype.1: must be a known value type (got 'bf61')",
    ),
    "dtype is a format": ("cols: 8", "cols: 8, dtype: ‸int8", "must be a known value type (got 'int8')"),
    "dtype is a number": ("cols: 8", "cols: 8, dtype: ‸16", "must be text (got 16)"),
    "dtype is empty": ("cols: 8", "cols: 8, dtype: ‸[]", "needs at least one value (got an empty list)"),
    "key near dtype": ("cols: 8", "cols: 8, ‸dtypes: f16", "unknown key (got 'dtypes'); did you mean dtype?"),
    "too many types": (
        "rows: 4, cols: 8",
        "rows: [{0}], cols: [{0}], dtype: [f32, f16, bf16]".format(", ".join(map(str, range(1, 151)))),
        "a suite has at most 50000 shapes (got 67500 in one entry)",
    ),
}


def _refused(folder, base, old, new):
    """The message for the suite with ``old`` replaced, and the place of the mark where there is one."""
    assert old in base
    text = base.replace(old, new, 1) if old else base + new
    text, place = marked(text) if CARET in text else (text, r"\d+:\d+")
    path = write(folder, text)
    started = time.perf_counter()
    with pytest.raises(SuiteError) as caught:
        load_suite(path)
    assert time.perf_counter() - started < 2
    return str(caught.value).replace(str(path), "F"), place


def _check(said, place, message):
    assert re.match(rf"F:{place}: ", said), f"expected at {place}: {said}"
    assert message in said
    assert re.search(r"\(got .*\); \w", said), f"no remedy: {said}"


@pytest.mark.parametrize("label", PRODUCTS)
def test_refused_product(tmp_path, label):
    old, new, message = PRODUCTS[label]
    _check(*_refused(tmp_path, PRODUCT, old, new), message)


@pytest.mark.parametrize("label", TENSORS)
def test_refused_tensor(tmp_path, label):
    old, new, message = TENSORS[label]
    _check(*_refused(tmp_path, TENSOR, old, new), message)


def test_several_problems_are_told_at_once(tmp_path):
    text = PRODUCT.replace("m: 4", "m: 0").replace("int8", "int9") + "".join(f"k{i}: 1\n" for i in range(30))
    path = write(tmp_path, text)
    with pytest.raises(SuiteError) as caught:
        load_suite(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert all(re.match(rf"{path}:\d+:\d+: ", line) for line in lines[:-1])
    assert lines[-1] == "… and 22 more"


def test_several_shapes_are_told_at_once(tmp_path):
    path = write(
        tmp_path,
        TENSOR.replace(", cols: 8", "").replace("channel_axis: 1", "channel_axis: 3").replace("[2, 3, 4, 5]", "[2]"),
    )
    with pytest.raises(SuiteError) as caught:
        load_suite(path)
    assert [line.removeprefix(str(path))[:6] for line in str(caught.value).splitlines()] == [":4:5: ", ":5:41:"]


def test_twenty_thousand_problems(tmp_path):
    path = write(tmp_path, PRODUCT + "".join(f"key{i}: 1\n" for i in range(20_000)))
    started = time.perf_counter()
    with pytest.raises(SuiteError, match="and 19990 more"):
        load_suite(path)
    assert time.perf_counter() - started < 2


def test_long_values_are_shortened(tmp_path):
    word = "x" * 300_000
    path = write(tmp_path, PRODUCT.replace("int8", word) + f"{word}: 1\ndata: {{weight: 'model:{word}/{word}'}}\n")
    started = time.perf_counter()
    with pytest.raises(SuiteError) as caught:
        load_suite(path)
    assert time.perf_counter() - started < 2
    assert all(len(line) < 1000 for line in str(caught.value).splitlines())


def test_more_shapes_than_a_suite_has():
    values = list(range(1, 201))
    shapes = [{"name": f"s{index}", "rows": values, "cols": values} for index in range(80)]
    started = time.perf_counter()
    with pytest.raises(SuiteError, match=r"shapes\.1: a suite has at most 50000 shapes \(got more\)"):
        load_suite(tensor(shapes=shapes))
    assert time.perf_counter() - started < 2


def test_more_cases_than_can_be_planned():
    shapes = [{"name": f"s{index}", "rows": 4, "cols": 4} for index in range(2000)]
    matrix = {"kernel": "reference", "format": "int8", "granularity": [f"per_group:{g}" for g in range(1, 501)]}
    load_suite(tensor(shapes=shapes, matrix=matrix))
    with pytest.raises(
        SuiteError, match=r"matrix: a suite has at most 1000000 cases \(got 501 combinations on 2000 shapes\)"
    ):
        load_suite(tensor(shapes=shapes, matrix=matrix, include=[{"format": "int4"}]))


def test_a_mapping_s_messages_name_the_place(tmp_path):
    with pytest.raises(SuiteError, match=r"^<mapping>:1:1: matrix\.format\.0: must be a known element format"):
        load_suite(tensor(matrix={"kernel": "reference", "format": "int9"}))
