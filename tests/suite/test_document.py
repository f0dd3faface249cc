"""YAML files → values and positions: what is accepted, what is refused, and where."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from example_suites import marked, write

from harness.errors import SuiteError
from harness.suite.document import MAX_BYTES, document_of, parse_document, read_document


def _value(text):
    return parse_document(text, "f").value


def test_values_and_positions():
    document = parse_document("a: [1, {b: x}]\nc:\n  d: |\n    text\n  e:\n  - true\n", "f")
    assert document.value == {"a": [1, {"b": "x"}], "c": {"d": "text\n", "e": [True]}}
    assert document.positions == {
        (): (1, 1),
        ("a",): (1, 4),
        ("a", 0): (1, 5),
        ("a", 1): (1, 8),
        ("a", 1, "b"): (1, 12),
        ("c",): (3, 3),
        ("c", "d"): (3, 6),
        ("c", "e"): (6, 3),
        ("c", "e", 0): (6, 5),
    }
    assert document.keys[("c", "e")] == (5, 3)


def test_place_of_what_has_no_position_is_its_holder():
    document = parse_document("a:\n  b: [1]\n", "f")
    assert document.at(("a", "b", 0, "x")) == "f:2:7:"
    assert document.at(("a", "z"), key=True) == "f:2:3:"
    assert document.at(("a", "b"), key=True) == "f:2:3:"
    assert document.at(("q",)) == "f:1:1:"


ACCEPTED = {
    "aliases": ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
    "alias twice": ("a: &x {k: 1}\nb: [*x, *x]", {"a": {"k": 1}, "b": [{"k": 1}, {"k": 1}]}),
    "merge": ("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}", {"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}}),
    "merge comes after own key": ("a: &x {k: 1}\nb: {k: 3, <<: *x}", {"a": {"k": 1}, "b": {"k": 3}}),
    "merge of several: the first wins": (
        "a: &x {k: 1}\nb: &y {k: 2, l: 2}\nc: {<<: [*x, *y]}",
        {"a": {"k": 1}, "b": {"k": 2, "l": 2}, "c": {"k": 1, "l": 2}},
    ),
    "merge of a merge": (
        "a: &x {k: 1}\nb: &y {<<: *x, l: 2}\nc: {<<: *y}",
        {"a": {"k": 1}, "b": {"k": 1, "l": 2}, "c": {"k": 1, "l": 2}},
    ),
    "<< as a value": ("a: <<\nb: [<<]", {"a": "<<", "b": ["<<"]}),
    "quoted << is a key": ("'<<': 1", {"<<": 1}),
    "quoted words are text": ("a: 'true'\nb: \"1\"\nc: '1e-3'", {"a": "true", "b": "1", "c": "1e-3"}),
    "flow text with a colon": ("a: [per_group:128, 1:30]", {"a": ["per_group:128", "1:30"]}),
    "tags of the core": ("a: !!str 1\nb: !!float 1\nc: !!seq [!!int 1]", {"a": "1", "b": 1.0, "c": [1]}),
    "the tag !": ("a: ! 1", {"a": 1}),
    "dates are text": ("a: 2020-01-01", {"a": "2020-01-01"}),
    "one document with marks": ("%YAML 1.1\n---\na: 1\n...\n", {"a": 1}),
    "windows lines": ("a: 1\r\nb: [x,\r\n y]\r\n", {"a": 1, "b": ["x", "y"]}),
    "JSON": ('{"a": [1, 2.5, true, "x"]}', {"a": [1, 2.5, True, "x"]}),
    "comments": ("# x\na: 1 # y\n", {"a": 1}),
}


@pytest.mark.parametrize("label", ACCEPTED)
def test_accepted(label):
    text, value = ACCEPTED[label]
    assert _value(text) == value


def test_positions_of_merged_values_are_where_they_are_written():
    document = parse_document("a: &x {k: 1, l: [7, 8]}\nb:\n  <<: *x\n  l: 5\n", "f")
    assert document.positions["b", "k"] == (1, 11)
    assert document.positions["b", "l"] == (4, 6)
    assert ("b", "l", 0) not in document.positions


REFUSED = {
    "duplicate key": ("a: 1\n‸a: 2\n", "a key stands once (got 'a' again)"),
    "duplicate key, inner": ("x: [{a: 1, ‸a: 2}]\n", "got 'a' again"),
    "duplicate merge": ("x: &x {a: 1}\ny: {<<: *x, ‸<<: *x}\n", "got '<<' again"),
    "merge of a list of text": ("a:\n  <<: [‸x]\n", "<< merges mappings (got a scalar)"),
    "merge of a list": ("a: {<<: [‸[b]]}\n", "<< merges mappings (got a sequence)"),
    "merge of text": ("a:\n  <<: ‸x\n", "<< merges mappings (got a scalar)"),
    "empty": ("‸", "(got an empty file)"),
    "blank": ("‸\n\n  \n", "(got an empty file)"),
    "comments only": ("‸# a\n# b\n", "(got an empty file)"),
    "null": ("‸~\n", "(got an empty file)"),
    "list": ("# x\n‸- a\n", "a mapping of keys to values is expected (got a sequence)"),
    "text": ("\n  ‸abc\n", "a mapping of keys to values is expected (got a scalar)"),
    "two documents": ("a: 1\n‸---\nb: 1\n", "a suite is one YAML document (got a second)"),
    "two documents, ended": ("a: 1\n...\n‸---\nb: 1\n", "(got a second)"),
    "unknown tag": ("a: [1, ‸!mine x]\n", "tags are not accepted in a suite (got '!mine')"),
    "python object": (
        "a: ‸!!python/object/apply:os.system [echo]\n",
        "(got 'tag:yaml.org,2002:python/object/apply:os.system')",
    ),
    "python name": ("a: ‸!!python/name:os.system\n", "tags are not accepted"),
    "set": ("a: ‸!!set {x}\n", "tags are not accepted"),
    "binary": ("a: ‸!!binary aGk=\n", "tags are not accepted"),
    "tag of another kind": ("a: ‸!!str [x]\n", "tags are not accepted"),
    "scalar tagged as a list": ("a: ‸!!seq x\n", "tags are not accepted"),
    "tag that does not fit": ("a: ‸!!int x\n", "not a valid int (got 'x')"),
    "missing value": ("a: {b: ‸}\n", "a.b: needs a value (got nothing, or null)"),
    "null value": ("a: [1, ‸null]\n", "a.1: needs a value (got nothing, or null)"),
    "unknown alias": ("a: ‸*x\n", "an alias comes after the whole value that it names (got '*x')"),
    "recursive alias": ("a: &x [‸*x]\n", "an alias comes after the whole value"),
    "recursive mapping": ("a: &x\n  b: ‸*x\n", "an alias comes after the whole value"),
    "key true": ("‸on: 1\n", "a key is text (got true); quote it"),
    "key number": ("a: {‸1: 1}\n", "a key is text (got 1)"),
    "key list": ("‸[a]: 1\n", "a key is text (got a sequence)"),
    "key alias": ("a: ‸&x {b: 1}\n? *x\n: 1\n", "a key is text (got a mapping)"),
    "long number": ("a: ‸" + "9" * 5000 + "\n", "at most 20 digits"),
    "long hexadecimal": ("a: ‸0x" + "f" * 100_000 + "\n", "at most 20 digits"),
    "NUL": ("a: x‸\0\n", "printable text (got the character U+0000)"),
    "control character after é": ("a: é‸\x01\n", "U+0001"),
    "second byte order mark": ("a: ‸\ufeffx\n", "U+FEFF"),
    "tab": ("a: 1\n‸\tb: 1\n", "must be valid YAML"),
    "unclosed": ("a: [1\nb: 2‸\n", "must be valid YAML"),
    "bad indentation": ("a: 1\n ‸b: 2\n", "must be valid YAML"),
    "surrogate": ('a: "‸\\ud800"\n', "must be valid YAML"),
    "depth": ("a: " + "[" * 24 + "‸[" + "[" * 20_000, "nests at most 24 levels"),
    "depth of mappings": ("a: " + "{a: " * 23 + "{‸a: " + "{a: " * 20_000, "nests at most 24 levels"),
}
ROUGHLY = {"unclosed", "bad indentation", "surrogate", "tab", "depth"}
"""libyaml says where it noticed; only the line is held to that."""


@pytest.mark.parametrize("label", REFUSED)
def test_refused_at_its_place(label):
    text, message = REFUSED[label]
    text, place = marked(text)
    started = time.perf_counter()
    with pytest.raises(SuiteError) as caught:
        parse_document(text, "f")
    assert time.perf_counter() - started < 2
    said = str(caught.value)
    assert message in said
    assert "(got" in said
    if label in ROUGHLY:
        line = int(place.partition(":")[0])
        assert said.startswith((f"f:{line}:", f"f:{line + 1}:"))
    else:
        assert said.startswith(f"f:{place}: ")
    assert len(said) < 800


def _nested_aliases(leaf, wrap):
    lines = [f"a0: &a0 {leaf}"]
    lines += [f"a{i}: &a{i} {wrap(', '.join([f'*a{i - 1}'] * 9))}" for i in range(1, 20)]
    return "\n".join(lines)


BOMBS = {
    "laughs": _nested_aliases("[x, x]", lambda inner: f"[{inner}]"),
    "merges": _nested_aliases("{}", lambda inner: f"{{<<: [{inner}]}}"),
    "chain of merges": "a0: &a0 {}\n" + "\n".join(f"a{i}: &a{i} {{<<: *a{i - 1}}}" for i in range(1, 3000)),
    "chain of lists": "a0: &a0 []\n" + "\n".join(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 3000)),
    "wide": "a: [" + "1," * 120_000 + "]",
    "many anchors": "a: [" + ",".join(f"&x{i} 1" for i in range(60_000)) + "," + "*x0," * 60_000 + "]",
    "many keys": "\n".join(f"k{i}: 1" for i in range(80_000)),
    "brackets": "[" * 500_000,
    "braces": "{" * 500_000,
    "question marks": "? " * 300_000,
    "dashes": "- " * 300_000,
    "quotes": "'" * 500_001,
    "ampersands": "a: " + "&a " * 100_000,
    "exclamation marks": "a: " + "! " * 100_000,
    "folded": "a: >\n" + " x\n" * 200_000 + "*b",
    "comments": "#\n" * 400_000,
}


@pytest.mark.parametrize("label", BOMBS)
def test_bombs_are_refused_soon(label):
    started = time.perf_counter()
    with pytest.raises(SuiteError, match=r"^f:\d+:\d+: .*\(got"):
        parse_document(BOMBS[label], "f")
    assert time.perf_counter() - started < 2


def test_byte_order_mark_and_windows_lines(tmp_path):
    document = read_document(write(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: x\r\n"))
    assert document.value == {"a": 1, "b": "x"}
    assert document.positions["a",] == (1, 4)
    assert document.positions["b",] == (2, 4)


@pytest.mark.parametrize(
    ("data", "place", "byte"),
    [
        (b"a: 1\nb: \xff\n", "2:4", "0xff"),
        (b"\xef\xbb\xbfa: \xe9\n", "1:4", "0xe9"),
        ("a: 1\nbé: ".encode() + b"\xc3\n", "2:5", "0xc3"),
        ("a: ü\n".encode("utf-16"), "1:1", "0xff"),
        (bytes(range(256)), "3:115", "0x80"),
    ],
)
def test_other_encodings(tmp_path, data, place, byte):
    path = write(tmp_path, data)
    with pytest.raises(SuiteError, match=rf"^{path}:{place}: a suite is UTF-8 text \(got byte {byte}\)"):
        read_document(path)


def test_ten_megabytes(tmp_path):
    with pytest.raises(SuiteError, match=rf":1:1: a suite has at most {MAX_BYTES} bytes \(got more\)"):
        read_document(write(tmp_path, b"# " + b"x" * 10_000_000))


def test_largest_file_is_read(tmp_path):
    assert read_document(write(tmp_path, b"a: 1\n#" + b"x" * (MAX_BYTES - 6))).value == {"a": 1}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("{folder}", "a directory"),
        ("{folder}/absent.yaml", "No such file"),
        ("{folder}/suite.yaml/x", "Not a directory"),
        ("{folder}/" + "x" * 5000, "name too long"),
        ("{folder}/a\0b", "null"),
        ("/dev/zero", "a device or a pipe"),
        ("/dev/null", "a device or a pipe"),
        ("{folder}/fifo", "a device or a pipe"),
        ("{folder}/dangling", "No such file"),
    ],
)
def test_no_file(tmp_path, path, reason):
    write(tmp_path, "a: 1")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    path = path.replace("{folder}", str(tmp_path))
    with pytest.raises(SuiteError) as caught:
        read_document(Path(path))
    assert str(caught.value).startswith(f"{path}:1:1: ")
    assert reason in str(caught.value)
    assert "(got" in str(caught.value)


def test_unreadable(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, "a: 1")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SuiteError, match=rf"^{path}:1:1: .*\(got: Permission denied\); check the path"):
        read_document(path)


class _Text(str):
    pass


def test_mappings_take_what_python_has():
    given = {
        _Text("a"): (1, np.int64(2)),
        "b": range(3),
        "c": [np.float32(0.5), np.bool_(True)],
        "d": {"e": _Text("x")},
    }
    value = document_of(given).value
    assert value == {"a": [1, 2], "b": [0, 1, 2], "c": [0.5, True], "d": {"e": "x"}}
    assert [type(each) for each in value["a"] + value["c"]] == [int, int, float, bool]
    assert type(value["d"]["e"]) is str


_CYCLE: dict = {}
_CYCLE["a"] = _CYCLE


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"a": None}, "a: needs a value (got None)"),
        ({"a": [{"b": {1}}]}, "a.0.b: must be text, a number, a boolean, a list or a mapping (got a set)"),
        ({"a": b"x"}, "(got a bytes)"),
        ({"a": object()}, "(got a object)"),
        ({"a": 10**4400}, "(got a whole number of more than 64 bits)"),
        ({"a": {1: 2}}, "a: a key is text (got a int)"),
        ({None: 2}, "a key is text (got a NoneType)"),
        ({"a": np.arange(3)}, "(got a ndarray)"),
        ({"a": range(10**9)}, "at most 50000 values"),
        (_CYCLE, "nests at most 24 levels"),
    ],
)
def test_other_mappings(mapping, message):
    with pytest.raises(SuiteError) as caught:
        document_of(mapping)
    assert str(caught.value).startswith("<mapping>:1:1: ")
    assert message in str(caught.value)
