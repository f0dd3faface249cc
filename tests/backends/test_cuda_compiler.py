"""NVRTC and the cache of cubins, on sources of the tests' own. No GPU is needed."""

from __future__ import annotations

import errno
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

import harness.backends.cuda.compiler as compiler
import harness.backends.cuda.headers as headers
from harness.backends.cuda.compiler import cached_path, compile_cubin, cubin, nvrtc_version, precompile
from harness.backends.cuda.headers import header_folder
from harness.errors import CompileError, DataError
from harness.kernels.specialisation import Specialisation

SM = "sm_90a"
SOURCE = '#include "n.cuh"\nextern "C" __global__ void k(float *x) { x[threadIdx.x] = N + M; }\n'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path) -> Path:
    """A source that needs the macro M and includes n.cuh."""
    (tmp_path / "n.cuh").write_text("#define N 1\n")
    path = tmp_path / "k.cu"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def compiled(monkeypatch) -> list[str]:
    """Labels of what is compiled from here on, by a compiler that gives the label for code and refuses M=bad."""
    made: list[str] = []

    def compile_(specialisation: Specialisation, architecture: str) -> bytes:
        made.append(specialisation.label)
        if ("M", "bad") in specialisation.macros:
            raise CompileError("the log")
        return specialisation.label.encode()

    monkeypatch.setattr(compiler, "compile_cubin", compile_)
    return made


def _of(source: Path, **macros: object) -> Specialisation:
    return Specialisation.of(str(source), **macros)


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# What NVRTC makes of a source


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a", "sm_120a"])
def test_an_elf_file_for_cuda(source, architecture):
    code = compile_cubin(_of(source, M=2), architecture)
    assert code[:4] == b"\x7fELF"
    assert int.from_bytes(code[18:20], "little") == 190  # EM_CUDA
    assert b"k" in code


def test_macros_and_includes_are_part_of_it(source):
    assert compile_cubin(_of(source, M=2), SM) == compile_cubin(_of(source, M="(1 + 1)"), SM)
    assert compile_cubin(_of(source, M=2), SM) != compile_cubin(_of(source, M=3), SM)


def test_headers_of_cuda_are_found(source):
    tile = "nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float>"
    source.write_text(f'#include <mma.h>\nextern "C" __global__ void k(int *x) {{ *x = sizeof({tile}); }}\n')
    assert compile_cubin(_of(source), SM)[:4] == b"\x7fELF"


def test_the_log_is_in_the_error(source):
    source.write_text(SOURCE + "\nint broken(\n")
    with pytest.raises(CompileError) as caught:
        compile_cubin(_of(source, M=2), SM)
    said = str(caught.value)
    assert said.startswith(f"{source} M=2 for sm_90a: ")
    assert "k.cu(4)" in said or "k.cu(5)" in said
    assert "error: " in said
    assert "\0" not in said


REFUSED = {
    "a name that is unknown": ({"k": "int k() { return nosuch; }\n"}, SM, r'k\.cu\(1\): error: identifier "nosuch" is undefined'),
    "an error in an included file": ({"k": '#include "a.cuh"\n', "a": "\n\nint a = nosuch;\n"}, SM, r"a\.cuh\(3\): error"),
    "an unknown architecture": ({"k": "int k;\n"}, "sm_1", "--gpu-architecture"),
    "no architecture at all": ({"k": "int k;\n"}, "hopper", "--gpu-architecture"),
    "a missing source": ({}, SM, r"k\.cu: the source must be readable \(got: .*No such file.*\); reinstall"),
    "a missing include": ({"k": '#include "a.cuh"\n'}, SM, r'must be readable \(got: .*includes "a\.cuh", which is neither'),
    "a missing header of CUDA": ({"k": "#include <nosuch.h>\n"}, SM, r"nosuch\.h: must be among CUDA's headers"),
}  # fmt: skip


@pytest.mark.parametrize("make", [compile_cubin, cubin], ids=["compile_cubin", "cubin"])
@pytest.mark.parametrize("label", REFUSED)
def test_what_does_not_compile(tmp_path, cache, label, make):
    files, architecture, message = REFUSED[label]
    for name, text in files.items():
        (tmp_path / f"{name}.{'cu' if name == 'k' else 'cuh'}").write_text(text)
    with pytest.raises(CompileError, match=message):
        make(_of(tmp_path / "k.cu"), architecture)
    assert not [path for path in cache.rglob("*") if path.is_file()], "half a file was left"


def test_headers_within_comments_are_not_needed(source):
    source.write_text("/*\n#include <nosuch.h>\n*/\n__device__ int k;\n")
    compile_cubin(_of(source), SM)


def test_a_source_that_is_not_utf8(source):
    source.write_bytes(b"// na\xefve\n")
    with pytest.raises(CompileError):
        compile_cubin(_of(source), SM)


def test_files_of_the_current_folder_do_not_take_the_package_s_place(tmp_path, monkeypatch):
    (tmp_path / "quantize" / "common").mkdir(parents=True)
    (tmp_path / "quantize" / "common" / "values.cuh").write_text("#error the wrong file\n")
    monkeypatch.chdir(tmp_path)
    macros = {
        "VALUE": 0,
        "LAYOUT": 0,
        "ASYMMETRIC": 0,
        "ELEMENT": 0,
        "BITS": 8,
        "SCALE": 0,
        "WIDTH": 4,
        "UNROLL": 4,
        "THREADS": 256,
    }
    compile_cubin(Specialisation.of("quantize/quantize.cu", **macros), SM)


# The cache


def test_what_is_cached_is_not_compiled_again(source, cache, compiled):
    wanted = _of(source, M=2)
    path = cubin(wanted, SM)
    assert path == cached_path(wanted, SM) == cubin(wanted, SM)
    assert path.read_bytes() == wanted.label.encode()
    assert compiled == [wanted.label]
    assert _files(cache) == ["cubin", f"cubin/{path.name}"]


def test_the_name_of_a_cubin_does_not_depend_on_the_order_of_macros(source):
    assert cached_path(_of(source, A=1, B=2), SM) == cached_path(_of(source, B="2", A="1"), SM)


def test_the_name_of_a_cubin_changes_with_what_it_is_made_from(source, tmp_path, monkeypatch):
    wanted = _of(source, M=2, O=3)
    found = [cached_path(wanted, SM)]
    found += [cached_path(_of(source, M=3, O=2), SM), cached_path(_of(source, M=2), SM)]
    found += [cached_path(wanted, "sm_90"), cached_path(wanted, "sm_80")]
    source.write_text(SOURCE + "int more;\n")
    found.append(cached_path(wanted, SM))
    (tmp_path / "n.cuh").write_text("#define N 2\n")
    found.append(cached_path(wanted, SM))
    monkeypatch.setattr(compiler, "nvrtc_version", lambda: (99, 0))
    found.append(cached_path(wanted, SM))
    monkeypatch.setattr(compiler, "_flags", lambda: ("c++17",))
    found.append(cached_path(wanted, SM))
    assert len(set(found)) == len(found)


def test_a_changed_source_is_compiled_anew_and_changed_back_found_again(source, compiled):
    wanted = _of(source, M=2)
    first = cubin(wanted, SM)
    source.write_text(SOURCE + "int more;\n")
    assert cubin(wanted, SM) != first
    source.write_text(SOURCE)
    assert cubin(wanted, SM) == first
    assert len(compiled) == 2


def test_a_failure_leaves_nothing_and_is_tried_again(source, cache, compiled):
    for _ in range(2):
        with pytest.raises(CompileError, match="the log"):
            cubin(_of(source, M="bad"), SM)
    assert len(compiled) == 2
    assert not cache.exists()


@pytest.fixture
def full_disk(monkeypatch):
    write = Path.write_bytes

    def write_half(self: Path, data: bytes) -> int:
        write(self, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)


@pytest.mark.usefixtures("full_disk", "compiled")
def test_a_full_disk_leaves_no_half_file(source, cache):
    with pytest.raises((OSError, DataError)):
        cubin(_of(source, M=2), SM)
    assert _files(cache) == ["cubin"]


@pytest.mark.usefixtures("full_disk", "compiled")
def test_a_full_disk_is_a_data_error(source):
    with pytest.raises(DataError, match=r"the cache must be writable .*HARNESS_CACHE"):
        cubin(_of(source, M=2), SM)


@pytest.mark.parametrize("make", [cubin, lambda wanted, architecture: precompile([wanted], architecture)])
def test_a_cache_that_cannot_be_written(source, tmp_path, monkeypatch, make, compiled):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"the cache must be writable .*HARNESS_CACHE"):
        make(_of(source, M=2), SM)


# Ahead of a run


def test_only_what_is_missing_is_compiled_ahead_each_once(source, compiled):
    wanted = [_of(source, M=value) for value in (1, 2, 3, 2, 1)]
    cubin(wanted[0], SM)
    said: list[str] = []
    assert precompile(iter(wanted), SM, said.append) == 2
    assert sorted(compiled) == sorted({each.label for each in wanted})
    assert precompile(wanted, SM, said.append) == 0
    assert said == ["compiling 2 kernels for sm_90a"]


def test_one_kernel_is_no_plural(source, compiled):
    said: list[str] = []
    precompile([_of(source, M=1)], SM, said.append)
    precompile([], SM, said.append)
    assert said == ["compiling 1 kernel for sm_90a"]


def test_kernels_are_compiled_side_by_side(source, monkeypatch):
    both = threading.Barrier(2, timeout=20)
    monkeypatch.setattr(compiler, "compile_cubin", lambda specialisation, architecture: b"%d" % both.wait())
    assert precompile([_of(source, M=1), _of(source, M=2)], SM) == 2


def test_a_kernel_that_does_not_compile_is_left_to_its_case(source, compiled):
    wanted = [_of(source, M=value) for value in ("bad", 1, 2)]
    assert precompile(wanted, SM) == 3
    assert [cached_path(each, SM).is_file() for each in wanted] == [False, True, True]
    with pytest.raises(CompileError, match="the log"):
        cubin(wanted[0], SM)


def test_a_missing_source_is_left_to_its_case(source, tmp_path, compiled):
    precompile([_of(tmp_path / "nosuch.cu"), _of(source, M=1)], SM)
    assert compiled == [f"{source} M=1"]


def test_a_missing_compiler_is_left_to_its_case(source, monkeypatch):
    def absent() -> tuple[int, int]:
        raise CompileError("NVRTC: must be installed")

    monkeypatch.setattr(compiler, "nvrtc_version", absent)
    precompile([_of(source, M=1)], SM)


# The compiler and its headers


@pytest.fixture
def fresh():
    """Nothing remembered of the compiler and its headers, before and after."""
    for function in (nvrtc_version, header_folder):
        function.cache_clear()
    yield
    for function in (nvrtc_version, header_folder):
        function.cache_clear()


class _Bindings(ModuleType):
    """Stands for cuda.bindings: its nvrtc answers so, or importing it fails."""

    def __init__(self, answer: object) -> None:
        super().__init__("cuda.bindings")
        self._answer = answer

    @property
    def nvrtc(self) -> object:
        if isinstance(self._answer, Exception):
            raise self._answer
        found = ModuleType("nvrtc")
        found.nvrtcVersion = lambda: self._answer  # type: ignore[attr-defined]
        return found


@pytest.mark.usefixtures("fresh")
def test_version_of_the_compiler(monkeypatch):
    assert nvrtc_version() >= (12, 9)
    nvrtc_version.cache_clear()
    monkeypatch.setitem(sys.modules, "cuda.bindings", _Bindings((0, 13, 1)))
    assert nvrtc_version() == (13, 1)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            RuntimeError("no libnvrtc.so\nlooked in /a"),
            r"NVRTC: must be installed \(got: no libnvrtc\.so\); pip install",
        ),
        ((7, 0, 0), r"NVRTC: must answer \(got 7\); pip install"),
        (RuntimeError(), r"NVRTC: must be installed \(got: RuntimeError\)"),
    ],
)
def test_a_compiler_that_does_not_answer(monkeypatch, answer, message):
    monkeypatch.setitem(sys.modules, "cuda.bindings", _Bindings(answer))
    with pytest.raises(CompileError, match=message):
        nvrtc_version()


@pytest.mark.usefixtures("fresh")
def test_without_a_compiler_the_remedy_is_named(source, monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(CompileError, match=r"NVRTC: must be installed .*pip install '\.\[cuda13\]' \(or cuda12\)"):
        cubin(_of(source, M=1), SM)


@pytest.fixture
def folders(fresh, tmp_path, monkeypatch):
    """``folders(wheel=…, home=…)``: headers of the wheel and below CUDA_HOME, the only places there are."""

    def make(**parts: tuple[str, ...]) -> dict[str, Path]:
        made = {name: tmp_path / name / "include" for name in ("wheel", "home")}
        for name, files in parts.items():
            for file in files:
                (made[name] / file).parent.mkdir(parents=True, exist_ok=True)
                (made[name] / file).write_text("")
        monkeypatch.setattr(headers, "_from_pathfinder", lambda: made["wheel"])
        monkeypatch.setattr(headers, "_DEFAULT_HOME", str(tmp_path / "nowhere"))
        monkeypatch.setenv("CUDA_HOME", str(tmp_path / "home"))
        monkeypatch.delenv("CUDA_PATH", raising=False)
        return made

    return make


WHOLE, PART = ("mma.h", "crt/mma.h"), ("mma.h",)


@pytest.mark.parametrize(
    ("parts", "name", "expected"),
    [
        ({"wheel": WHOLE, "home": WHOLE}, "mma.h", "wheel"),
        ({"wheel": PART, "home": WHOLE}, "mma.h", "home"),
        ({"wheel": (), "home": WHOLE}, "mma.h", "home"),
        ({"wheel": PART, "home": WHOLE}, "crt/mma.h", "home"),
        ({"wheel": ("cuda_fp16.h",), "home": WHOLE}, "cuda_fp16.h", "wheel"),
    ],
)
def test_the_first_folder_that_holds_a_header_whole(folders, parts, name, expected):
    made = folders(**parts)
    assert header_folder(name) == str(made[expected])


@pytest.mark.parametrize("parts", [{"wheel": PART, "home": PART}, {"home": ("crt/mma.h",), "wheel": ("cuda.h",)}])
def test_no_folder_that_holds_a_header_whole(folders, parts):
    made = folders(**parts)
    with pytest.raises(CompileError) as caught:
        header_folder("mma.h")
    said = str(caught.value)
    assert said.startswith("mma.h: must be among CUDA's headers (got none whole in ")
    assert all(str(folder) in said for folder in made.values())
    assert said.endswith("pip install '.[cuda13]' (or cuda12), or set CUDA_HOME to a toolkit's folder")


def test_no_folder_at_all(folders):
    folders()
    with pytest.raises(CompileError, match=r"got none whole in any known place\)"):
        header_folder("mma.h")


def test_places_in_order_each_once(folders, tmp_path, monkeypatch):
    made = folders(wheel=WHOLE, home=WHOLE)
    monkeypatch.setenv("CUDA_PATH", str(tmp_path / "home"))
    monkeypatch.setattr(headers, "_DEFAULT_HOME", str(tmp_path / "wheel"))
    assert headers.candidates() == (made["wheel"], made["home"])
    monkeypatch.setattr(headers, "_from_pathfinder", lambda: None)
    assert headers.candidates() == (made["home"], made["wheel"])


def test_a_pathfinder_that_fails_is_no_hindrance(fresh, monkeypatch):
    from cuda import pathfinder

    def fail(name: str) -> str:
        raise RuntimeError("looked everywhere")

    monkeypatch.setattr(pathfinder, "find_nvidia_header_directory", fail)
    assert headers._from_pathfinder() is None
