"""A user's own tensors: ``path.npy``, ``path.npz#key`` and ``path.safetensors#key``.

``FILE_FORMATS`` has one row per extension. Shapes come from the headers, so that planning reads no data.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from harness.data.hints import near_or_some
from harness.data.safetensors_file import SAFETENSORS_FLOATS, load_safetensors, open_safetensors
from harness.errors import DataError

T = TypeVar("T")

NPY_FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class Header:
    """What a file says of a tensor before its data: shape and element type, in the format's own words."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class FileFormat:
    """A row of ``FILE_FORMATS``. ``headers`` maps key to header; a format with a single tensor has the key ``""``."""

    suffix: str
    floats: tuple[str, ...]
    headers: Callable[[Path], dict[str, Header]]
    load: Callable[[Path, str], NDArray[Any]]


@dataclass(frozen=True)
class FileTensor:
    """A tensor in a file: ``path`` as the user wrote it, resolved against ``base``, the suite file's folder."""

    path: str
    key: str | None = None
    base: str = "."

    @property
    def label(self) -> str:
        """``file:path#key``, as written: it does not depend on where the suite lies."""
        return f"file:{self.path}" + (f"#{self.key}" if self.key is not None else "")

    @property
    def location(self) -> Path:
        """The file's path, ``base`` and ``~`` resolved."""
        return Path(self.base) / Path(self.path).expanduser()

    @classmethod
    def parse(cls, text: str, base: Path | str = ".") -> FileTensor:
        """Read ``path``, ``path#key`` or either with ``file:`` before it. Raises DataError for another extension."""
        path = text.removeprefix("file:").strip()
        before, hash_sign, key = path.rpartition("#")
        named = hash_sign and Path(before).suffix.lower() in FILE_FORMATS  # else the # belongs to the path
        folder = str(Path(base).absolute())
        tensor = cls(before, key, folder) if named else cls(path, None, folder)
        _format_of(tensor)
        return tensor

    def shape(self) -> tuple[int, ...]:
        """The tensor's shape, from the file's header. Raises DataError as ``load`` does."""
        return _find(self)[1].shape

    def load(self) -> NDArray[np.float32]:
        """The tensor as C-contiguous float32.

        Raises DataError when the file is missing, empty, damaged or of another format, when it has no such key, and for
        elements that are not floating-point numbers or exceed float32's range.
        """
        key, _ = _find(self)
        stored = _reading(self, lambda path: _format_of(self).load(path, key))
        with np.errstate(over="ignore"):
            array = np.array(stored, dtype=np.float32, order="C")
        if stored.dtype == np.float64 and np.isinf(array).sum() > np.isinf(stored).sum():
            raise DataError(f"{self.label}: every value must fit float32 (got larger ones); scale the tensor down")
        return array


def _format_of(tensor: FileTensor) -> FileFormat:
    suffix = Path(tensor.path).suffix.lower()
    if suffix not in FILE_FORMATS:
        raise DataError(
            f"{tensor.label}: the file must end in {', '.join(FILE_FORMATS)} (got {suffix or 'no extension'!r}); "
            "save it with numpy.save, numpy.savez or safetensors.numpy.save_file"
        )
    return FILE_FORMATS[suffix]


def _find(tensor: FileTensor) -> tuple[str, Header]:
    """The key and the header of the tensor: the named one, or the only one."""
    row = _format_of(tensor)
    headers = _reading(tensor, row.headers)
    if tensor.key is None and len(headers) != 1:
        names = ", ".join(sorted(headers)[:8]) or "none"
        raise DataError(
            f"{tensor.label}: must name one of {len(headers)} tensors as `#key` (got no key); keys: {names}"
        )
    key = next(iter(headers)) if tensor.key is None else tensor.key
    if key not in headers:
        hint = "an .npy file has one tensor: leave out `#key`" if "" in headers else near_or_some(key, headers)
        raise DataError(f"{tensor.label}: the file has no tensor {key!r}; {hint}")
    if headers[key].dtype not in row.floats:
        kinds, got = ", ".join(row.floats), headers[key].dtype
        raise DataError(f"{tensor.label}: must hold {kinds} (got {got}); convert it to float32 before saving")
    return key, headers[key]


def _reading(tensor: FileTensor, read: Callable[[Path], T]) -> T:
    """``read`` the tensor's file, with every way in which a file can be unreadable as a DataError."""
    path = tensor.location
    if not path.exists():
        raise DataError(f"{tensor.label}: the file must exist (got nothing at {path}); check the path in the suite")
    if path.is_dir():
        raise DataError(f"{tensor.label}: must be a file (got a folder at {path}); name the file in it")
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{tensor.label}: must hold a tensor (got 0 bytes at {path}); write the file anew")
        return read(path)
    except OSError as error:
        raise DataError(f"{tensor.label}: must be readable (got {error.strerror or error}); check {path}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{tensor.label}: must be an intact {path.suffix} file (got: {error}); write {path} anew"
        ) from error


def _read_header(stream: IO[bytes]) -> Header:
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = npy.read_array_header_2_0(stream)
    else:
        raise ValueError(f"version {version} of the format, which only structured types have")
    return Header(tuple(shape), "object" if dtype.hasobject else dtype.name)


def _npy_headers(path: Path) -> dict[str, Header]:
    with path.open("rb") as stream:
        header = _read_header(stream)
        expected = int(np.prod(header.shape, dtype=np.int64)) * (
            np.dtype(header.dtype).itemsize if header.dtype in NPY_FLOATS else 0
        )
        if path.stat().st_size - stream.tell() < expected:
            raise ValueError("fewer bytes than its header says")
    return {"": header}


def _npz_headers(path: Path) -> dict[str, Header]:
    headers = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as stream:
                    headers[name.removesuffix(".npy")] = _read_header(stream)
    return headers


def _load_npy(path: Path, key: str) -> NDArray[Any]:
    return np.asarray(np.load(path, allow_pickle=False))


def _load_npz(path: Path, key: str) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as archive:
        return np.asarray(archive[key])


def _safetensors_headers(path: Path) -> dict[str, Header]:
    with open_safetensors(path) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {name: Header(tuple(one.get_shape()), one.get_dtype()) for name, one in slices.items()}


FILE_FORMATS: dict[str, FileFormat] = {
    row.suffix: row
    for row in (
        FileFormat(".npy", NPY_FLOATS, _npy_headers, _load_npy),
        FileFormat(".npz", NPY_FLOATS, _npz_headers, _load_npz),
        FileFormat(".safetensors", SAFETENSORS_FLOATS, _safetensors_headers, load_safetensors),
    )
}
