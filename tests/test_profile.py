"""Profiling: which case is meant, the profilers' command lines, and what the profiled process launches."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from example_suites import CUDA, planned, product

from harness.backends.cuda import cooling
from harness.errors import DeviceError, HarnessError
from harness.kernels.family import Verdict
from harness.kernels.tensors import Tensors
from harness.profiling import choice, profilers, target
from harness.profiling.choice import the_case
from harness.profiling.profilers import PROFILERS, target_words

SUITE = product(
    shapes=[{"name": "llama.q", "m": [1, 16], "n": 64, "k": 256}],
    matrix={"kernel": ["cublas_f16", "dp4a", "ort_f32", "reference"], "scheme": ["w8a8", "mxfp4"]},
)
CASES = planned(SUITE, CUDA)
ABLE = [case for case in CASES if case.skip is None and case.backend == "cuda"]
DP4A = "gemm/dp4a/llama.q[16x64x256]/int8/per_channel x int8/per_token"
REFERENCE = "gemm/reference/llama.q[1x64x256]/int8/per_channel x int8/per_token"
(CASE,) = [case for case in CASES if case.name == DP4A]
HOT = next(
    case for case in planned({**SUITE, "measure": {"l2": "hot"}}, CUDA) if case.name == DP4A and case.skip is None
)


@pytest.mark.parametrize(
    "wanted", [DP4A, CASE.case_id, CASE.case_id[:8] + "*", "gemm/dp4a/*[[]16x*", "*dp4a*q?16x*int8*"]
)
def test_a_case_is_meant_by_name_id_or_glob(wanted):
    assert the_case(CASES, wanted) == CASE


@pytest.mark.parametrize("case", ABLE, ids=lambda case: case.name)
def test_every_name_and_id_means_its_case(case):
    assert the_case(CASES, case.name) == the_case(CASES, case.case_id) == case


REFUSED = [
    ("gemm/dp4a/*", r"must mean one case \(got 'gemm/dp4a/\*', which means 2\); choose among:\n  \w{20}  gemm/dp4a/"),
    (
        "gemm/dp4a/llama.q[16x64x256]",
        r"must mean a case of the suite \(got .*\n  \w{20}  gemm/dp4a/llama\.q\[16x64x256\]/int8.*$",
    ),
    ("gemm/dp5a/llama.q[16x64x256]/int8/per_channel x int8/per_token", r"among:\n  \w{20}  gemm/dp4a/llama\.q\[16x64"),
    ("nothing like it", r"must mean a case of the suite \(got 'nothing like it'\); choose among:\n"),
    ("gemm/ort_f32/llama.q[1x*", r"which needs the cpu backend\); see `harness plan --skipped`"),
    (REFERENCE, r"must be a case that runs on the CUDA device .*which runs on the cpu\)"),
]


@pytest.mark.parametrize(("wanted", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_means_no_single_case_is_refused(wanted, message):
    with pytest.raises(HarnessError, match=message):
        the_case(CASES, wanted)


def test_only_the_first_few_are_listed():
    many = planned(
        product(shapes=[{"name": "a", "m": list(range(1, 9)), "n": 64, "k": 64}], matrix={"kernel": "cublas_f16"}), CUDA
    )
    with pytest.raises(HarnessError) as caught:
        the_case(many, "*")
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + 5 + 1
    assert lines[-1] == f"  and {len(many) - 5} more: see `harness plan`"


def test_a_suite_without_cases_for_the_device():
    with pytest.raises(HarnessError, match=r"none of its cases runs on the CUDA device, see `harness plan --skipped`$"):
        the_case(planned(product(matrix={"kernel": "ort_f32"}), CUDA), "nothing")


def test_the_cpu_is_not_profiled():
    with pytest.raises(DeviceError, match=r"needs a CUDA device \(got cpu\)"):
        choice.cuda_device("cpu")


def test_a_machine_without_cuda_says_why(monkeypatch):
    monkeypatch.setitem(choice.BACKENDS, "cuda", SimpleNamespace(absence=lambda: "no NVIDIA driver found"))
    with pytest.raises(DeviceError, match=r"needs a CUDA device \(got none: no NVIDIA driver found\)"):
        choice.cuda_device("auto")


NCU = (
    "--nvtx --nvtx-include profile/launch --set full --cache-control {} --clock-control none --force-overwrite "
    "--export out/a.ncu-rep"
)
NSYS = "profile --trace=cuda,nvtx --sample=none --cpuctxsw=none --force-overwrite=true --output=out/a.nsys-rep"


@pytest.mark.parametrize(
    ("name", "case", "line"),
    [("ncu", CASE, NCU.format("all")), ("ncu", HOT, NCU.format("none")), ("nsys", CASE, NSYS), ("nsys", HOT, NSYS)],
    ids=["ncu cold", "ncu hot", "nsys cold", "nsys hot"],
)
def test_options_of_the_profilers(name, case, line):
    profiler = PROFILERS[name]
    assert shlex.join(profiler.options(profiler.report(Path("out/a")), case)) == line


@pytest.mark.parametrize("name", PROFILERS)
@pytest.mark.parametrize("given", ["out/a", "out/a{}", "out/a.b"])
def test_reports_get_their_suffix_once(name, given):
    profiler = PROFILERS[name]
    made = str(profiler.report(Path(given.format(profiler.suffix))))
    assert made == given.replace("{}", "") + profiler.suffix


@pytest.mark.parametrize(("path", "flags"), [(["/elsewhere"], ["-P"]), (["", "/elsewhere"], [])])
def test_command_line_of_the_target(path, flags, monkeypatch):
    monkeypatch.setattr(profilers.sys, "path", path)
    monkeypatch.setattr(profilers.sys, "executable", "/env/bin/python")
    assert list(target_words(Path("suites/a.yaml"), CASE, CUDA, 4)) == [
        *("/env/bin/python", *flags, "-m", "harness.profiling", "suites/a.yaml", CASE.case_id),
        *("--device", "cuda:0", "--launches", "4"),
    ]


def _executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", PROFILERS)
def test_the_newest_in_the_usual_places_is_found(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    profiler = PROFILERS[name]
    assert profiler.find(tmp_path) is None
    place = profiler.places[-1]
    _executable(tmp_path / place.replace("*", "2024.10.1") / name)
    newest = _executable(tmp_path / place.replace("*", "2025.2.0") / name)
    _executable(tmp_path / place.replace("*", "2025.1.9") / name)
    assert profiler.find(tmp_path) == newest


def test_path_comes_before_the_usual_places(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    own = _executable(tmp_path / "bin" / "ncu")
    _executable(tmp_path / "usr/local/cuda-13.0/bin/ncu")
    assert PROFILERS["ncu"].find(tmp_path) == own


class FakeKernel:
    """Notes what it is asked, in ``events``; has as many operand sets as were added."""

    operand_bytes = 100

    def __init__(self, events: list[str]) -> None:
        self.events, self.sets, self._current = events, 1, 0
        self.session = SimpleNamespace(l2_bytes=150, synchronize=lambda: events.append("wait"))

    def add_set(self) -> None:
        self.sets += 1

    def select(self, index: int) -> None:
        self._current = index % self.sets

    def launch(self) -> None:
        self.events.append(f"launch {self._current}")

    def output(self) -> str:
        self.events.append("output")
        return "y"


@pytest.fixture
def events(monkeypatch) -> list[str]:
    """What happens in the target, ranges included, with a kernel that conforms."""
    return _faked(monkeypatch, Verdict())


def _faked(monkeypatch, verdict: Verdict) -> list[str]:
    seen: list[str] = []

    @contextlib.contextmanager
    def marked(name):
        seen.append(f"begin {name}")
        yield
        seen.append(f"end {name}")

    family = SimpleNamespace(judge=lambda problem, output: verdict)
    monkeypatch.setattr(target, "nvtx_range", marked)
    monkeypatch.setattr(
        target, "prepare", lambda *_: SimpleNamespace(family=family, problem="problem", kernel=FakeKernel(seen))
    )
    monkeypatch.setattr(cooling, "release_persisting_lines", lambda: None)
    return seen


def _inside(events: list[str], name: str) -> list[str]:
    return events[events.index(f"begin {name}") + 1 : events.index(f"end {name}")]


def _launches(events: list[str]) -> list[str]:
    return [event for event in events if event.startswith("launch")]


@pytest.mark.parametrize("launches", [1, 4])
def test_each_launch_has_a_range_within_the_profiled_one(events, launches):
    target.profile(CASE, CUDA, Tensors(), launches)
    profiled = _inside(events, "profile")
    assert profiled[-1] == "wait"
    assert [event.split()[0] for event in profiled[:-1]] == ["begin", "launch", "end"] * launches
    assert profiled[0] == "begin launch"


def test_conformance_and_warm_up_come_before_the_profiled_range(events):
    target.profile(CASE, CUDA, Tensors(), 3)
    assert [e for e in events if e.startswith("begin ") and e != "begin launch"] == [
        f"begin {name}" for name in (CASE.name, "prepare", "conformance", "warm-up", "profile")
    ]
    assert _inside(events, "conformance") == ["launch 0", "output"]
    assert len(_launches(_inside(events, "warm-up"))) >= 3
    assert _inside(events, "warm-up")[-1] == "wait"
    outside = len(_launches(events)) - len(_launches(_inside(events, "warm-up"))) - 1
    assert outside == 3, "what is left are the profiled launches"


def test_cold_operands_take_turns_and_hot_ones_stay(events):
    target.profile(CASE, CUDA, Tensors(), 6)
    cold = _launches(_inside(events, "profile"))
    assert len(set(cold)) == 3  # three sets of 100 bytes are twice the cache of 150
    assert cold[:3] == cold[3:]
    assert set(_launches(_inside(events, "warm-up"))) == set(cold), "every set is warmed up"
    events.clear()
    target.profile(HOT, CUDA, Tensors(), 3)
    assert _launches(_inside(events, "profile")) == ["launch 0"] * 3


def test_a_kernel_that_does_not_conform_is_not_profiled(monkeypatch):
    seen = _faked(monkeypatch, Verdict("7 codes differ"))
    with pytest.raises(HarnessError, match=r"must conform to be profiled \(got: 7 codes differ\)"):
        target.profile(CASE, CUDA, Tensors(), 3)
    assert _launches(seen) == ["launch 0"]


def test_the_target_says_what_the_user_can_mend(tmp_path):
    with pytest.raises(SystemExit, match=r"^error: profile: needs a CUDA device \(got cpu\)"):
        target.main([str(tmp_path / "none.yaml"), "x", "--device", "cpu"])


def test_the_target_profiles_the_case_that_it_is_given(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        choice, "choose", lambda suite, case, device: asked.append((suite, case, device)) or (CASE, CUDA)
    )
    monkeypatch.setattr(
        target, "profile", lambda case, device, tensors, launches: asked.append((case, device, launches))
    )
    monkeypatch.setattr(target, "tensors_on", lambda device: Tensors())
    target.main(["s.yaml", CASE.case_id, "--device", "cuda:0", "--launches", "7"])
    assert asked == [(Path("s.yaml"), CASE.case_id, "cuda:0"), (CASE, CUDA, 7)]
