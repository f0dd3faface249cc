"""A user's files: every format and type that is read, and every way in which a file is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.data.files import FILE_FORMATS, FileTensor
from harness.errors import DataError

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


def write(path: Path, arrays: dict[str, Any]) -> Path:
    if path.suffix == ".npy":
        np.save(path, next(iter(arrays.values())))
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file(arrays, path)
    return path


@pytest.mark.parametrize("suffix", FILE_FORMATS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_reads_floats(tmp_path: Path, suffix: str, dtype: type) -> None:
    write(tmp_path / f"t{suffix}", {"a": VALUES.astype(dtype)})
    for text in [f"t{suffix}"] + ([f"t{suffix}#a"] if suffix != ".npy" else []):
        tensor = FileTensor.parse(text, tmp_path)
        array = tensor.load()
        assert tensor.label == f"file:{text}" and tensor.shape() == (2, 3)
        assert array.dtype == np.float32 and array.flags.c_contiguous and array.flags.writeable
        assert np.array_equal(array, VALUES)


def test_reads_bfloat16(tmp_path: Path) -> None:
    write(tmp_path / "t.safetensors", {"a": VALUES.astype(ml_dtypes.bfloat16)})
    assert np.array_equal(FileTensor.parse("t.safetensors#a", tmp_path).load(), VALUES)


def test_reads_fortran_order_and_big_endian(tmp_path: Path) -> None:
    write(tmp_path / "f.npy", {"a": np.asfortranarray(VALUES)})
    write(tmp_path / "b.npy", {"a": VALUES.astype(">f4")})
    for name in ("f.npy", "b.npy"):
        array = FileTensor.parse(name, tmp_path).load()
        assert np.array_equal(array, VALUES) and array.flags.c_contiguous


def test_paths(tmp_path: Path) -> None:
    folder = tmp_path / "a#b"
    folder.mkdir()
    write(folder / "t.npz", {"layer.0/weight": VALUES})
    write(folder / "x#y.npy", {"": VALUES})
    assert FileTensor.parse("a#b/t.npz#layer.0/weight", tmp_path).shape() == (2, 3)
    assert FileTensor.parse("a#b/x#y.npy", tmp_path).shape() == (2, 3)
    assert FileTensor.parse(f"file:{folder}/t.npz", "/elsewhere").shape() == (2, 3)
    one, two = FileTensor.parse("t.npz", "/one"), FileTensor.parse("t.npz", "/two")
    assert one != two and one.label == two.label == "file:t.npz"
    assert one.location == Path("/one/t.npz"), "a worker in another folder finds it"


def test_the_shape_needs_no_data(tmp_path: Path) -> None:
    path = tmp_path / "big.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(1 << 20, 1 << 14)).flush()
    assert path.stat().st_blocks * 512 < 1 << 20, "64 GiB that the disk does not hold"
    assert FileTensor.parse(str(path)).shape() == (1 << 20, 1 << 14)


@pytest.mark.parametrize("suffix", FILE_FORMATS)
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.bool_])
def test_other_types_are_refused(tmp_path: Path, suffix: str, dtype: type) -> None:
    write(tmp_path / f"t{suffix}", {"a": VALUES.astype(dtype)})
    tensor = FileTensor.parse(f"t{suffix}", tmp_path)
    for read in (tensor.shape, tensor.load):
        with pytest.raises(DataError, match=r"must hold \S+16.* \(got \w+\); convert it to float32"):
            read()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_objects_are_never_unpickled(tmp_path: Path, suffix: str) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    write(tmp_path / f"t{suffix}", {"a": np.array([Trap()], dtype=object)})
    with pytest.raises(DataError, match=r"\(got object\)"):
        FileTensor.parse(f"t{suffix}", tmp_path).load()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_keys(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"t{suffix}", {"weight": VALUES, "bias": VALUES[0]})
    assert FileTensor.parse(f"t{suffix}#bias", tmp_path).shape() == (3,)
    with pytest.raises(DataError, match=r"must name one of 2 tensors .*keys: bias, weight"):
        FileTensor.parse(f"t{suffix}", tmp_path).load()
    with pytest.raises(DataError, match="no tensor 'wieght'; did you mean weight"):
        FileTensor.parse(f"t{suffix}#wieght", tmp_path).load()


def test_an_npy_file_has_no_keys(tmp_path: Path) -> None:
    write(tmp_path / "t.npy", {"a": VALUES})
    with pytest.raises(DataError, match="leave out `#key`"):
        FileTensor.parse("t.npy#a", tmp_path).load()


@pytest.mark.parametrize("suffix", FILE_FORMATS)
def test_broken_files(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"t{suffix}", {"a": np.zeros((50, 50), np.float32)})
    tensor = FileTensor.parse(path.name, tmp_path)
    data = path.read_bytes()
    for length in (1, 5, 40, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        for read in (tensor.shape, tensor.load):
            with pytest.raises(DataError, match="must be an intact"):
                read()
    path.write_bytes(b"this is something else entirely" * 10)
    with pytest.raises(DataError, match="must be an intact"):
        tensor.load()
    path.write_bytes(b"")
    with pytest.raises(DataError, match="got 0 bytes"):
        tensor.load()
    path.unlink()
    with pytest.raises(DataError, match=r"got nothing at .*check the path"):
        tensor.shape()
    path.mkdir()
    with pytest.raises(DataError, match="got a folder"):
        tensor.shape()


def test_a_corrupt_member(tmp_path: Path) -> None:
    path = write(tmp_path / "t.npz", {"a": np.zeros((50, 50), np.float32)})
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"must be an intact \.npz file"):
        FileTensor.parse("t.npz", tmp_path).load()


@pytest.mark.parametrize("text", ["t.pt", "t", "t.pt#key", "", "t.npz.zip"])
def test_other_extensions_are_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"must end in \.npy, \.npz, \.safetensors .*save it with"):
        FileTensor.parse(text)


def test_float64_beyond_float32(tmp_path: Path) -> None:
    write(tmp_path / "t.npy", {"a": np.array([1e300, np.inf])})
    with pytest.raises(DataError, match="must fit float32"):
        FileTensor.parse("t.npy", tmp_path).load()
    write(tmp_path / "u.npy", {"a": np.array([1.0, np.inf, np.nan])})
    assert np.isinf(FileTensor.parse("u.npy", tmp_path).load()[1]), "what is in the file is the metrics' business"
