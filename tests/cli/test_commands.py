"""Every command as a user types it: exit codes, output, help."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from harness.cli import app
from harness.cli.listing import What


def harness(*arguments: str | Path, cwd: Path | None = None, stdin: str | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, input=stdin, timeout=120)


def commands() -> list[list[str]]:
    group = typer.main.get_command(app)
    return [
        [name, *([inner] if inner else [])]
        for name, command in group.commands.items()
        for inner in getattr(command, "commands", {"": None})
    ]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_help_has_examples(command):
    group = typer.main.get_command(app)
    found = group.commands[command[0]]
    if len(command) > 1:
        found = found.commands[command[1]]
    assert "**Examples**" in found.help
    assert f"`harness {' '.join(command)}" in found.help


def test_help_is_printed():
    done = harness("run", "--help")
    assert done.returncode == 0
    assert "--case-timeout" in done.stdout


@pytest.fixture
def suite(tmp_path) -> Path:
    path = tmp_path / "small.yaml"
    content = {
        "name": "small",
        "op": "gemm",
        "shapes": [{"name": "tiny", "m": 2, "n": 5, "k": 32}],
        "matrix": {"kernel": ["cublas_f16", "ort_f32", "ort_matmul_integer", "reference"], "scheme": ["w8a8", "mxfp4"]},
        "baseline": {"cpu": "ort_f32"},
        "measure": {"l2": "hot", "min_samples": 3, "max_time_s": 0.1},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_run_says_what_happened(suite, tmp_path):
    done = harness("run", suite, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "running on the CPU" in done.stderr
    assert done.stderr.count("running on the CPU") == 1
    assert "Best schemes by SQNR" in done.stdout
    assert "Best schemes by speed" in done.stdout
    assert "6 cases: 4 ok, 2 skipped" in done.stdout
    assert "skipped: 1 for want of a backend (needs the cuda backend)" in done.stdout
    path = next(p for p in (tmp_path / "out").rglob("*.parquet") if "samples" not in p.name)
    assert str(path) in done.stdout


def test_run_as_json(suite, tmp_path):
    done = harness("run", suite, "--out", tmp_path / "out", "--json", "--filter", "kernel=ort_f32")
    summary = json.loads(done.stdout)
    assert summary["counts"] == {"ok": 1}
    assert summary["records"][0]["kernel"] == "ort_f32"
    assert summary["records"][0]["speedup"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nosuch.yaml"], 2, "nosuch.yaml:1:1:"),
        (["--bogus"], 1, "No such option"),
        ([], 1, "Missing argument"),
        (["{suite}", "--device", "cuda:0"], 1, "use --device cpu"),
        (["{suite}", "--filter", "kernle=x"], 1, "did you mean kernel?"),
        (["{suite}", "--filter", "kernel=nosuch"], 1, "at least one case"),
        (["{suite}", "--filter", "kernel"], 1, "axis=value"),
        (["{suite}", "--resume", "nosuch"], 1, "newest: none"),
        (["{suite}", "--limit", "0"], 1, "--limit"),
        (["{suite}", "--out", "{suite}"], 1, "choose a folder"),
        (["{folder}"], 2, "got a directory"),
        (["/dev/zero"], 2, "regular file"),
    ],
)
def test_exit_codes_and_no_traceback(suite, tmp_path, arguments, code, words):
    filled = [text.format(suite=suite, folder=tmp_path) for text in arguments]
    done = harness("run", *filled, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_plan_needs_no_device_and_writes_nothing(suite, tmp_path):
    done = harness("plan", suite, "--skipped", cwd=tmp_path)
    assert done.returncode == 0
    assert "gemm/ort_matmul_integer/tiny[2x5x32]" in done.stdout
    assert "needs the cuda backend" in done.stdout
    assert "4 to run, 2 skipped" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.yaml"]
    cases = json.loads(harness("plan", suite, "--json").stdout)["cases"]
    assert len(cases) == 6


def test_plan_takes_a_closed_pipe(suite):
    done = subprocess.run(
        f"{sys.executable} -m harness plan {suite} | true", shell=True, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("what", list(What))
def test_lists(what):
    rows = json.loads(harness("list", what, "--json").stdout)
    assert rows
    assert "fp8_e4m3" in {row["format"] for row in rows} if what is What.FORMATS else True
    assert harness("list", what).returncode == 0


def test_doctor_names_devices_libraries_and_caches():
    findings = json.loads(harness("doctor", "--json").stdout)
    assert {"device", "library", "cache", "model", "disk"} <= {finding["area"] for finding in findings}
    assert any(finding["what"] == "onnxruntime" and finding["found"] for finding in findings)


def test_doctor_says_how_to_mend(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "none"))
    findings = json.loads(harness("doctor", "--json").stdout)
    remedies = {finding["what"]: finding["remedy"] for finding in findings}
    assert remedies["minilm-l6"] == "harness data pull minilm-l6"


def test_schema_is_json(tmp_path):
    out = tmp_path / "schema.json"
    assert harness("schema", "-o", out).returncode == 0
    assert json.loads(out.read_text()) == json.loads(harness("schema").stdout)


def test_data_list_layers():
    done = harness("data", "list", "rapidocr-rec")
    assert "model:rapidocr-rec/conv2d_184" in done.stdout
    wrong = harness("data", "list", "rapidocr-wreck")
    assert wrong.returncode == 1
    assert "did you mean rapidocr-rec?" in wrong.stderr


def test_data_capture_feeds_a_suite(tmp_path):
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    weight = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "fc.weight"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(weight, "fc.weight")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.ones((3, 6), np.float32))
    done = harness("data", "capture", "m.onnx", "--input", "x=x.npy", "-o", "a.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    layer = next(iter(np.load(tmp_path / "a.npz")))
    suite = {
        "name": "own",
        "op": "gemm",
        "shapes": [{"name": "fc", "m": 3, "n": 4, "k": 6, "activation": f"file:a.npz#{layer}"}],
        "matrix": {"kernel": "reference", "scheme": "w8a8"},
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(suite))
    assert harness("run", "own.yaml", cwd=tmp_path).returncode == 0
    bad = harness("data", "capture", "m.onnx", "--input", "z=x.npy", "-o", "a.npz", cwd=tmp_path)
    assert bad.returncode == 1
    assert "Traceback" not in bad.stderr


def test_report_builds_a_site(suite, tmp_path):
    harness("run", suite, "--out", tmp_path / "out")
    done = harness("report", tmp_path / "out", "-o", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").is_file()
    empty = harness("report", tmp_path / "nothing", "-o", tmp_path / "site")
    assert empty.returncode == 1
    assert "check the path" in empty.stderr


def test_version():
    assert harness("--version").stdout.startswith("harness 0.")
