"""What belongs to a CUDA source, and digests that change with its code and with nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from harness.backends.cuda.source import closure, digest, strip_comments
from harness.kernels import KERNELS
from harness.kernels.specialisation import SOURCE_ROOT


def _write(folder: Path, **files: str) -> Path:
    """Files ``<name>.cuh`` and ``k.cu`` in ``folder`` (``common__x``: in a folder of its own); returns the source."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.{'cu' if name == 'k' else 'cuh'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "k.cu"


def _names(source: Path) -> list[str]:
    return [str(path.relative_to(source.parent)) for path in closure(source)]


CLOSURES = {
    "nothing": ({"k": "int x;\n"}, ["k.cu"]),
    "nested, each once": (
        {
            "k": '#include "a.cuh"\n#include "b.cuh"\n#include "a.cuh"\n',
            "a": '#include "c.cuh"\n',
            "b": '#include "c.cuh"\n#include "a.cuh"\n',
            "c": "int c;\n",
        },
        ["k.cu", "a.cuh", "b.cuh", "c.cuh"],
    ),
    "a cycle": (
        {"k": '#include "a.cuh"\n', "a": '#include "b.cuh"\n', "b": '#include "a.cuh"\n#include "b.cuh"\n'},
        ["k.cu", "a.cuh", "b.cuh"],
    ),
    "blanks about it": ({"k": ' \t# \tinclude  "a.cuh" // why\n', "a": ""}, ["k.cu", "a.cuh"]),
    "a comment before it": ({"k": '/* why */ #include /* what */ "a.cuh"\n', "a": ""}, ["k.cu", "a.cuh"]),
    "the compiler's own": ({"k": "#include <a.cuh>\n", "a": ""}, ["k.cu"]),
    "within comments": ({"k": '// #include "a.cuh"\n/*\n#include "a.cuh"\n*/\n//\\\n#include "a.cuh"\n', "a": ""}, ["k.cu"]),
    "within a string": ({"k": 'auto x = "\\\n#include \\"a.cuh\\"";\n', "a": ""}, ["k.cu"]),
    "after what looks like a comment": ({"k": 'auto x = "/*";\n#include "a.cuh"\n', "a": ""}, ["k.cu", "a.cuh"]),
    "both sides of a condition": (
        {"k": '#if A\n#include "a.cuh"\n#else\n#include "b.cuh"\n#endif\n', "a": "", "b": ""},
        ["k.cu", "a.cuh", "b.cuh"],
    ),
    "relative to the includer": (
        {"k": '#include "common/a.cuh"\n', "common__a": '#include "b.cuh"\n', "common__b": "", "b": ""},
        ["k.cu", "common/a.cuh", "common/b.cuh"],
    ),
    "two spellings of one file": (
        {"k": '#include "common/a.cuh"\n#include "common/../common/a.cuh"\n', "common__a": ""},
        ["k.cu", "common/a.cuh"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("label", CLOSURES)
def test_closure(tmp_path, label):
    files, expected = CLOSURES[label]
    assert _names(_write(tmp_path, **files)) == expected


def test_an_include_needs_no_blank(tmp_path):
    assert _names(_write(tmp_path, k='#include"a.cuh"\n', a="")) == ["k.cu", "a.cuh"]


def test_files_of_the_package_are_found_from_anywhere_but_neighbours_come_first(tmp_path):
    source = _write(tmp_path, k='#include "common/values.cuh"\n')
    assert closure(source) == (source, SOURCE_ROOT / "common" / "values.cuh")
    own = _write(tmp_path, k='#include "common/values.cuh"\n', common__values="")
    assert _names(own) == ["k.cu", "common/values.cuh"]


def test_a_missing_include_names_both_places(tmp_path):
    source = _write(tmp_path, k='#include "common/a.cuh"\n', common__a='#include "nosuch.cuh"\n')
    with pytest.raises(FileNotFoundError) as caught:
        closure(source)
    said = str(caught.value)
    assert said.startswith(f'{tmp_path / "common" / "a.cuh"}: includes "nosuch.cuh"')
    assert "neither beside it nor in" in said
    assert str(SOURCE_ROOT) in said


def test_a_missing_source_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"k\.cu"):
        closure(tmp_path / "k.cu")


STRIPPED = {
    "a line's end": ("a; // b\nc;\n", "a;\nc;\n"),
    "a whole line": ("a;\n// b\nc;\n", "a;\nc;\n"),
    "a block between lines": ("a; /* b\nb */\nc;\n", "a;\nc;\n"),
    "a block separates words": ("a/* b */c;\n", "a c;\n"),
    "blocks do not nest": ("/* a /* b */ c;\n", "  c;\n"),
    "blank lines": ("\n\n  \t\na;\n\n\nb;", "a;\nb;\n"),
    "trailing blanks": ("a;  \t\nb;\n", "a;\nb;\n"),
    "nothing is left": ("// a\n/* b */\n", "\n"),
    "a line goes on": ("a; // b \\\nc;\nd;\n", "a;\nd;\n"),
    "a line of code goes on": ("#define A \\\n  b // c\n", "#define A \\\n  b\n"),
    "a string with //": ('a = "http://b"; // c\n', 'a = "http://b";\n'),
    "a string with a block": ('a = "/* b */"; /* c */\n', 'a = "/* b */";\n'),
    "a string with a quote": ('a = "\\"//b"; // c\n', 'a = "\\"//b";\n'),
    "a string that ends in a backslash": ('a = "b\\\\"; // c\n', 'a = "b\\\\";\n'),
    "a string that goes on": ('a = "b \\\n // c"; // d\n', 'a = "b \\\n // c";\n'),
    "strings side by side": ('a("/*", "*/"); // b\n', 'a("/*", "*/");\n'),
    "a char that is a quote": ("a = '\"'; // b\n", "a = '\"';\n"),
    "a char that is an apostrophe": ("a = '\\''; // b\n", "a = '\\'';\n"),
    "a char that is a slash": ("a = '/'; // b\n", "a = '/';\n"),
    "an apostrophe within a comment": ("a; // don't\nb; // can't\n", "a;\nb;\n"),
    "a quote within a comment": ('a; // 15" or\nb; /* " */\nc;\n', "a;\nb;\nc;\n"),
    "a block within a line's": ("a; // b /* c\nd;\n", "a;\nd;\n"),
    "a line's within a block": ("a; /* // */ b;\n", "a;   b;\n"),
    "a division": ("a = b / c;\n", "a = b / c;\n"),
    "digits set apart": ("a = 1'000'000; // b\n", "a = 1'000'000;\n"),
}


@pytest.mark.parametrize("label", STRIPPED)
def test_strip_comments(label):
    text, expected = STRIPPED[label]
    assert strip_comments(text) == expected
    assert strip_comments(expected) == expected


def test_digits_set_apart_once():
    assert strip_comments("a = 1'000; // don't\n") == "a = 1'000;\n"


FILES = {
    "k": '#include "a.cuh"\nint k(int a, int b);\n',
    "a": '#include "b.cuh"\nint a;\n',
    "b": "int b; int c;\n",
    "unused": "int u;\n",
}
SAME = {
    "a comment at a line's end": ("k", "b);", "b); // why"),
    "a comment of its own line": ("k", "int k", "// why\nint k"),
    "a long comment": ("k", "int k", "/* why\n\n and how */\nint k"),
    "blank lines": ("a", "int a", "\n\n\nint a"),
    "trailing blanks": ("b", "c;\n", "c; \t \n"),
    "a comment in an included file": ("b", "c;", "c; // why"),
    "an include within a comment": ("k", "int k", '// #include "unused.cuh"\nint k'),
    "a file that nothing includes": ("unused", "int u", "int v"),
}
OTHER = {
    "code": ("k", "int k", "float k"),
    "code of an included file": ("a", "int a", "float a"),
    "code of what that includes": ("b", "int b", "float b"),
    "a further include": ("a", "int a", '#include "unused.cuh"\nint a'),
    "an include less": ("a", '#include "b.cuh"\n', ""),
    "code that was a comment": ("b", "int b", "int d; int b"),
    "words set apart": ("k", "int k(int", "int k(in t"),
    "a string": ("a", "int a", 'auto s = "// x"; int a'),
}


def _digest(folder: Path, change: tuple[str, str, str] | None = None) -> str:
    files = dict(FILES)
    if change is not None:
        name, old, new = change
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)
    digest.cache_clear()
    return digest(_write(folder, **files))


@pytest.mark.parametrize("label", SAME)
def test_digest_does_not_change_with(tmp_path, label):
    assert _digest(tmp_path, SAME[label]) == _digest(tmp_path)


@pytest.mark.parametrize("label", OTHER)
def test_digest_changes_with(tmp_path, label):
    assert _digest(tmp_path, OTHER[label]) != _digest(tmp_path)


def test_changes_have_digests_of_their_own(tmp_path):
    found = {_digest(tmp_path, change) for change in OTHER.values()} | {_digest(tmp_path)}
    assert len(found) == len(OTHER) + 1


def test_digest_does_not_change_with_place_and_time(tmp_path):
    before = _digest(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    os.utime(tmp_path / "b" / "k.cu", (0, 0))
    (tmp_path / "b" / "other.cu").write_text("int o;\n")
    digest.cache_clear()
    assert digest(tmp_path / "b" / "k.cu") == before
    assert len(before) == 20


@pytest.mark.parametrize("file", sorted({spec.cuda.file for spec in KERNELS if spec.cuda is not None}))
def test_sources_of_this_package_are_whole(file):
    found = closure(SOURCE_ROOT / file)
    assert all(path.is_relative_to(SOURCE_ROOT) for path in found)
    for path in found:
        stripped = strip_comments(path.read_text())
        assert "//" not in stripped
        assert "/*" not in stripped
