"""Reader of CTranslate2's binary model format (``model.bin``), version 6, and of no other version.

Layout, little-endian (CTranslate2, ``python/ctranslate2/specs/model_spec.py``, the serializer): u32 version; string
spec name; u32 revision; u32 number of variables, each a string name, u8 rank, rank x u32 extents, u8 data type, u32
bytes and the data; u32 number of aliases, each a string alias and a string target. A string is u16 length, its NUL
included, then its bytes.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError

VERSION = 6
FLOATS = {0: "<f4", 4: "<f2"}
ITEM_BYTES = {0: 4, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2}  # float32, int8, int16, int32, float16, bfloat16
MAX_RANK = 8


@dataclass(frozen=True)
class Variable:
    """A stored tensor: its shape, its data type's number and where its bytes lie in the file."""

    shape: tuple[int, ...]
    dtype: int
    offset: int
    bytes: int


@dataclass(frozen=True)
class ModelFile:
    """The table of contents of a ``model.bin``: variables by name, and aliases (alias to variable name)."""

    path: Path
    spec: str
    variables: dict[str, Variable]
    aliases: dict[str, str]

    def load(self, name: str) -> NDArray[np.float32]:
        """A variable, or the one behind an alias, as float32. Raises DataError when it holds no floats."""
        variable = self.variables[self.aliases.get(name, name)]
        if variable.dtype not in FLOATS:
            raise DataError(f"{name}: must hold float32 or float16 (got data type {variable.dtype}); choose a weight")
        with self.path.open("rb") as stream:
            stream.seek(variable.offset)
            data = stream.read(variable.bytes)
        if len(data) != variable.bytes:
            raise _damaged(self.path, f"the data of {name} cut short")
        array: NDArray[np.floating] = np.frombuffer(data, np.dtype(FLOATS[variable.dtype]))
        return array.reshape(variable.shape).astype(np.float32)


class _Cursor:
    """Reads fields off a file, each checked against the file's end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._stream = path.open("rb")
        self.offset = 0

    def close(self) -> None:
        self._stream.close()

    def take(self, count: int) -> bytes:
        self._check(count)
        data = self._stream.read(count)
        self.offset += count
        return data

    def skip(self, count: int) -> None:
        self._check(count)
        self._stream.seek(count, 1)
        self.offset += count

    def number(self, code: str) -> int:
        return int(struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0])

    def string(self) -> str:
        data = self.take(self.number("H"))
        if not data.endswith(b"\0"):
            raise _damaged(self._path, f"a string without its end at byte {self.offset}")
        try:
            return data[:-1].decode()
        except UnicodeDecodeError as error:
            raise _damaged(self._path, f"a name that is no UTF-8 at byte {self.offset}") from error

    def at_end(self) -> bool:
        return self.offset == self._size

    def _check(self, count: int) -> None:
        if self.offset + count > self._size:
            raise _damaged(self._path, f"an end at byte {self._size} inside a field of {count} bytes at {self.offset}")


def read_model(path: Path) -> ModelFile:
    """Read the table of contents, not the data. Raises DataError for another format or version and for damage."""
    if not path.is_file():
        raise DataError(f"{path}: must be a CTranslate2 model.bin (got no such file)")
    cursor = _Cursor(path)
    try:
        version = cursor.number("I")
        if version != VERSION:
            raise DataError(f"{path}: must be a CTranslate2 model, version {VERSION} (got {version}); convert it anew")
        spec = cursor.string()
        cursor.number("I")  # the spec's revision says which variables there are; their names say it too
        variables = dict(_variable(cursor, path) for _ in range(cursor.number("I")))
        aliases = {cursor.string(): cursor.string() for _ in range(cursor.number("I"))}
        if not cursor.at_end():
            raise _damaged(path, f"bytes after the end at {cursor.offset}")
    finally:
        cursor.close()
    for alias, target in aliases.items():
        if target not in variables:
            raise _damaged(path, f"the alias {alias} of {target}, which is not there")
    return ModelFile(path, spec, variables, aliases)


def _variable(cursor: _Cursor, path: Path) -> tuple[str, Variable]:
    name = cursor.string()
    rank = cursor.number("B")
    if rank > MAX_RANK:
        raise _damaged(path, f"{name} with {rank} dimensions")
    shape = tuple(cursor.number("I") for _ in range(rank))
    dtype, size = cursor.number("B"), cursor.number("I")
    if dtype not in ITEM_BYTES or size != math.prod(shape) * ITEM_BYTES[dtype]:
        raise _damaged(path, f"{name} of shape {list(shape)} and data type {dtype} in {size} bytes")
    variable = Variable(shape, dtype, cursor.offset, size)
    cursor.skip(size)
    return name, variable


def _damaged(path: Path, got: str) -> DataError:
    return DataError(f"{path}: must be an intact CTranslate2 model (got {got}); fetch the file again")
