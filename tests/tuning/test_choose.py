"""Which kernel is made for a case: with fake kernels and a fake timer, and with onnxruntime's."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import harness
from harness.cli import app
from harness.device import Device
from harness.errors import HarnessError
from harness.kernels.chooser import chooser
from harness.kernels.family import Verdict
from harness.kernels.spec import KernelSpec
from harness.tuning import choose
from harness.tuning.choose import Task, make
from harness.tuning.table import read_table

CARD = Device("cpu", "cpu", "fake card", "x86_64", 1 << 30)
TIMES = {"slow": 3.0, "quick": 2.0, "tuned": 4.0, "tuned WIDE=1": 1.0, "wrong": 0.1, "broken": 0.2}
AUTO = chooser("gemm")


class Fake:
    """A kernel whose name, with its macros, says how long it takes."""

    name = ""

    def __init__(self, problem, device, macros=None):
        self.words = " ".join([self.name, *(f"{key}={value}" for key, value in (macros or {}).items())])
        if self.name == "broken":
            raise RuntimeError("no such unit")

    def launch(self):
        pass

    def output(self):
        return self.words


class Family:
    def judge(self, problem, output):
        return Verdict("wrong") if output == "wrong" else Verdict()


@pytest.fixture
def timed(tmp_path, monkeypatch):
    """Rows of the kernels that are named; the list that this fixture is notes what is timed."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    done: list[str] = []

    def timer(kernel, measure, max_samples=None):
        done.append(kernel.words)
        return SimpleNamespace(time_s=TIMES[kernel.words])

    monkeypatch.setattr(choose, "timer_of", lambda device: timer)
    choose._known.cache_clear()
    yield done
    choose._known.cache_clear()


@pytest.fixture
def rows(monkeypatch):
    def named(*names):
        made = [_row(name) for name in names]
        monkeypatch.setattr("harness.tuning.candidates.all_kernels", lambda: (*made, AUTO))
        return {row.name: row for row in made}

    return named


def _row(name):
    more = {"configurations": ({}, {"WIDE": 1})} if name == "tuned" else {}
    globals()[f"Kind_{name}"] = type(name, (Fake,), {"name": name, **more})
    return KernelSpec(name, "gemm", "cpu", "kernel", f"{__name__}:Kind_{name}", name)


def _task(number=0):
    return Task("gemm", {}, number, Family())


def test_the_fastest_that_conforms_is_taken(timed, rows):
    rows("slow", "quick", "wrong", "broken")
    made = make(AUTO, _task(), CARD)
    assert (made.spec.name, made.configuration, made.kernel.words) == ("quick", "quick", "quick")
    assert timed == ["slow", "quick"], "what does not conform has no speed"


def test_a_second_case_measures_nothing(timed, rows):
    rows("slow", "quick", "broken")
    make(AUTO, _task(), CARD)
    choose._known.cache_clear()  # as another process
    timed.clear()
    assert make(AUTO, _task(), CARD).spec.name == "quick"
    assert timed == []


def test_a_kernel_that_is_new_is_measured_alone(timed, rows):
    rows("slow")
    make(AUTO, _task(), CARD)
    rows("slow", "quick")
    timed.clear()
    assert make(AUTO, _task(), CARD).spec.name == "quick"
    assert timed == ["quick"]


def test_a_kernel_is_made_in_its_fastest_configuration(timed, rows):
    named = rows("quick", "tuned")
    before = make(named["tuned"], _task(), CARD)
    assert (before.configuration, before.kernel.words) == (None, "tuned"), (
        "nothing is measured for a kernel that is named"
    )
    made = make(AUTO, _task(), CARD)
    assert (made.configuration, made.kernel.words) == ("tuned WIDE=1", "tuned WIDE=1")
    assert make(named["tuned"], _task(), CARD).configuration == "WIDE=1"


def test_where_nothing_works_the_names_are_told(timed, rows):
    rows("wrong", "broken")
    with pytest.raises(HarnessError, match=r"auto: needs one kernel that conforms \(tried: wrong, broken\)"):
        make(AUTO, _task(), CARD)


SUITE = {
    "name": "auto",
    "op": "gemm",
    "shapes": [{"name": "s", "m": 4, "n": 32, "k": 64}],
    "matrix": {
        "kernel": ["auto", "ort_matmul_integer"],
        "weight.format": "int8",
        "weight.granularity": "per_channel",
        "activation.format": ["uint8", "fp8_e4m3"],
        "activation.granularity": "per_tensor",
        "activation.symmetric": [False, True],
    },
    "exclude": [{"activation.format": "fp8_e4m3", "activation.symmetric": False}],
    "measure": {"l2": "hot", "min_samples": 3, "max_time_s": 0.05},
}


def test_on_a_cpu(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    first, second = (harness.run(SUITE, device="cpu", out=tmp_path / str(run)) for run in (1, 2))
    auto = first[first["kernel"] == "auto"].set_index("activation_format")
    assert auto.loc["uint8", "status"].tolist() == ["ok", "ok"]
    assert auto.loc["uint8", "configuration"].tolist() == ["ort_matmul_integer"] * 2
    assert auto.loc["fp8_e4m3", "reason"] == "no kernel of the cpu backend takes it"
    pd.testing.assert_frame_equal(first[["case_id", "configuration"]], second[["case_id", "configuration"]])


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """``harness tune`` on a suite with these words besides, the choices shipped to a file."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))

    def run(suite, ship):
        path = tmp_path / "suite.yaml"
        path.write_text(yaml.safe_dump(suite))
        return CliRunner().invoke(app, ["tune", str(path), "--device", "cpu", "--ship", str(ship)])

    yield run
    choose._known.cache_clear()


def test_tune_where_there_is_nothing_to_choose(tmp_path, tuned):
    found = tuned(SUITE, tmp_path / "shipped.json")
    assert isinstance(found.exception, HarnessError)
    assert "tune: needs problems that several kernels take" in str(found.exception)
    assert not (tmp_path / "shipped.json").exists()


def test_tune_measures_and_ships(tmp_path, tuned, rows, monkeypatch, request):
    request.getfixturevalue("timed")
    rows("quick", "tuned", "broken")
    monkeypatch.setattr(
        "harness.tuning.run.load_attribute", lambda entry: SimpleNamespace(problem=lambda *_: 0, judge=_ok)
    )
    suite = {**SUITE, "matrix": {"kernel": "ort_f32"}, "shapes": [{"name": "s", "m": [4, 5], "n": 32, "k": 64}]}
    found = tuned(suite, tmp_path / "shipped.json")
    assert found.exit_code == 0, found.output
    assert found.output.count("→ tuned") == 2
    shipped = read_table(tmp_path / "shipped.json")
    assert shipped.device == shipped.model
    assert [choices["tuned"].macros for choices in shipped.choices.values()] == [{"WIDE": 1}] * 2
    assert [choices["broken"].time_s for choices in shipped.choices.values()] == [None] * 2


def _ok(problem, output):
    return Verdict()
