"""CUDA sources of the weight-only products as C++ programs, so that they run where there is no device (host_cuda.h)."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.kernels.specialisation import SOURCE_ROOT, Specialisation

COMPILER = shutil.which("g++")
_OWN = ("common/hopper.cuh", "common/wgmma_halves.cuh")
"""What host_cuda.h has in place of these."""
_KIND = "BF16 ? BRAIN : HALF"
_INSTRUCTIONS = (
    ("fma.rn.f16x2", "{0} = fused_pair({1}, {2}, {3}, HALF)"),
    ("fma.rn.bf16x2", "{0} = fused_pair({1}, {2}, {3}, BRAIN)"),
    ("lop3.b32", "{0} = ({4}) == 0xEA ? ({1}) & ({2}) | ({3}) : ~({1}) & ({2}) | ({3})"),
    ("max.u32", "{0} = max<u32_>({1}, 0x00400000)"),
    ("cvt.f32.f16", "{0} = value_of({1}, HALF)"),
    ("cvt.rn.f16.f32", "{0} = rounded_to({1}, HALF)"),
    ("cvt.rn.bf16.f32", "{0} = rounded_to({1}, BRAIN)"),
    ("cvt.rn.f16x2.f32", "{0} = pair_of({2}, {1}, HALF)"),
    ("cvt.rn.bf16x2.f32", "{0} = pair_of({2}, {1}, BRAIN)"),
    ("mma.sync.aligned.m16n8k16", f"multiply_16816(sums, a, b0, b1, {_KIND})"),
    ("cp.async.bulk.shared", "bulk_copy({0}, {1}, {2}, barrier)"),
    ("bar.sync 1,", "meeting(1, {0}).arrive_and_wait()"),
    ("bar.sync 2,", "meeting(2, {0}).arrive_and_wait()"),
    ("bar.arrive 2,", "(void)meeting(2, {0}).arrive()"),
    ("bar.sync %0, 128", "meeting({0}, 128).arrive_and_wait()"),
)
"""How an instruction begins → what is done in its place; numbers are its operands in order."""
_OPERAND = re.compile(r'"[=+]?[rfhln]"\s*\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)')
_MAIN = """
int main(int, char **words)
{
    const std::string folder = words[1];
    const auto number = [&](int i) { return static_cast<u32>(atol(words[i])); };
    const u32 m = number(2), n = number(3), k = number(4), grid = number(6);
    const float whole = atof(words[5]);
    const size_t bytes = number(7);
    const auto *x = read_file<u16>(folder + "/x");
    const auto *weight = read_file<u8>(folder + "/weight");
    const auto *column_scales = read_file<float>(folder + "/column_scales");
    const auto *values = read_file<u16>(folder + "/values");
    std::vector<value_t> made(static_cast<size_t>(m) * n);
    memset(made.data(), 0xA5, made.size() * sizeof(value_t));
    value_t *y = made.data();
@LAUNCH@
    FILE *file = fopen((folder + "/y").c_str(), "wb");
    fwrite(y, sizeof(value_t), made.size(), file);
    fclose(file);
}
"""
_LAUNCHES = {
    "gemv": "    launch(grid, THREADS, bytes, [=] { gemv(x, weight, column_scales, values, y, m, n, k, whole); });",
    "gemm": """
    const TensorMap map = {reinterpret_cast<const u8 *>(x), m, (k + 63) / 64 * 128, TILE_T};
    std::vector<float> parts(static_cast<size_t>(grid) * 2 * ROWS * TILE_T, NAN);
    std::vector<u32> done((n + ROWS - 1) / ROWS * ((m + TILE_T - 1) / TILE_T) * MULTIPLIERS);
    for (int twice = 0; twice < 2; ++twice)
        launch(grid, THREADS, bytes, [&] {
            gemm(map, weight, column_scales, values, y, m, n, k, whole, parts.data(), done.data());
        });
    for (u32 left : done) if (left) fail("done is 0 after a launch");
""",
}


def program(specialisation: Specialisation, entry: str, folder: Path) -> Path:
    """Compile it; needs COMPILER."""
    text = _inlined(specialisation.source)
    text = re.sub(r"extern __shared__[^;]*;|#pragma unroll[^\n]*|#pragma once", "", text)
    text = _without_assembly(text).replace("__restrict__", "")
    source, made = folder / "kernel.cpp", folder / "kernel"
    source.write_text('#include "host_cuda.h"\n' + text + _MAIN.replace("@LAUNCH@", _LAUNCHES[entry]))
    macros = [f"-D{name}={value}" for name, value in specialisation.macros]
    command = [str(COMPILER), "-std=c++20", "-O0", "-w", "-pthread", f"-I{Path(__file__).parent}", *macros]
    subprocess.run([*command, str(source), "-o", str(made)], check=True, timeout=120)
    return made


def run(made: Path, inputs: dict[str, NDArray[Any]], numbers: tuple[Any, ...], dtype: Any) -> NDArray[Any]:
    """The flat output; ``numbers`` are m, n, k, the whole scale, blocks, and bytes of shared memory."""
    folder = made.parent
    for name, array in inputs.items():
        np.ascontiguousarray(array).tofile(folder / name)
    done = subprocess.run([str(made), str(folder), *map(str, numbers)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return np.fromfile(folder / "y", dtype=dtype)


def _inlined(name: str) -> str:
    """The source with what it includes, comments left out."""
    text = re.sub(r"//[^\n]*", "", (SOURCE_ROOT / name).read_text())
    return re.sub(r'#include "([^"]+)"', lambda found: "" if found[1] in _OWN else _inlined(found[1]), text)


def _without_assembly(text: str) -> str:
    made, at = [], 0
    for found in re.finditer(r"\basm(\s+volatile)?\s*\(", text):
        end = _closing(text, found.end())
        made += [text[at : found.start()], _in_place_of(" ".join(text[found.end() : end].split()))]
        at = end + 1
    return "".join([*made, text[at:]])


def _closing(text: str, at: int) -> int:
    """Where the bracket closes that is open at ``at``; brackets in literals do not count."""
    depth, literal = 1, False
    while True:
        if text[at] == '"':
            literal = not literal
        elif not literal:
            depth += (text[at] == "(") - (text[at] == ")")
            if not depth:
                return at
        at += 1


def _in_place_of(statement: str) -> str:
    instruction = statement.removeprefix('"')
    for begin, done in _INSTRUCTIONS:
        if instruction.startswith(begin):
            return done.format(*_OPERAND.findall(statement))
    raise AssertionError(f"no host form of {statement}")
