"""CTranslate2's format: a file written here is read back, and every way to damage it is noticed."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.data.ctranslate2 import read_model
from harness.errors import DataError

NUMBERS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
WEIGHT = np.arange(6, dtype=np.float16).reshape(2, 3)


def string(text: str) -> bytes:
    data = text.encode() + b"\0"
    return struct.pack("<H", len(data)) + data


def model(
    variables: Mapping[str, NDArray[np.generic]], aliases: Mapping[str, str] | None = None, version: int = 6
) -> bytes:
    out = struct.pack("<I", version) + string("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        out += string(name) + struct.pack("<B", array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape)
        out += struct.pack("<BI", NUMBERS[array.dtype.name], array.nbytes) + array.tobytes()
    aliases = aliases or {}
    return out + struct.pack("<I", len(aliases)) + b"".join(string(a) + string(b) for a, b in aliases.items())


GOOD = model(
    {"a/weight": WEIGHT, "a/bias": np.array([1, 2], "f4"), "heads": np.array(6, "i2"), "q": np.ones((1, 1), "i1")},
    {"b/weight": "a/weight"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.bin"


def test_reads_variables_and_aliases(path: Path) -> None:
    path.write_bytes(GOOD)
    file = read_model(path)
    assert file.spec == "WhisperSpec" and list(file.variables) == ["a/weight", "a/bias", "heads", "q"]
    assert file.variables["heads"].shape == ()
    for name in ("a/weight", "b/weight"):
        assert file.load(name).dtype == np.float32
        assert np.array_equal(file.load(name), WEIGHT)
    assert np.array_equal(file.load("a/bias"), [1, 2])
    with pytest.raises(DataError, match="q: must hold float32 or float16"):
        file.load("q")


def test_every_cut_is_noticed(path: Path) -> None:
    for length in range(len(GOOD)):
        path.write_bytes(GOOD[:length])
        with pytest.raises(DataError, match=r"intact CTranslate2 model|version 6"):
            read_model(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GOOD + b"\0", "bytes after the end"),
        (model({}, version=5), r"version 6 \(got 5\)"),
        (b"PK\3\4" + bytes(100), r"version 6 \(got"),
        (model({"a": WEIGHT}, {"b": "c"}), "alias b of c"),
        (GOOD.replace(b"WhisperSpec\0", b"WhisperSpecX"), "without its end"),
        (GOOD.replace(b"a/bias", b"\xff/bias"), "no UTF-8"),
        (GOOD.replace(b"a/bias\0\x01\x02\0\0\0", b"a/bias\0\x01\x03\0\0\0"), r"a/bias of shape \[3\]"),
        (GOOD.replace(b"a/bias\0\x01", b"a/bias\0\x09"), "with 9 dimensions"),
        (GOOD.replace(b"a/bias\0\x01\x02\0\0\0\0", b"a/bias\0\x01\x02\0\0\0\x63"), "data type 99"),
    ],
)
def test_damage_is_noticed(path: Path, data: bytes, message: str) -> None:
    assert data != GOOD
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_model(path)


def test_a_missing_file(path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_model(path)
