"""Headers of CUDA arithmetic, compiled for the host: what is tested on a machine without a device is the source's own text.

``host_cuda.h`` has the functions; inline assembly is replaced by calls of them, and what the table here lacks does not
compile. It says nothing of memory, of warps, or of what a device's compiler makes of the text.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from harness.kernels.specialisation import SOURCE_ROOT

_HERE = Path(__file__).resolve().parent
_ASSEMBLY = re.compile(
    r'asm\("(?P<name>[\w.]+)\s*(?P<type>" (?:PAIR_TYPE|FP8_PAIR) "(?:\.f32)?)?[^;]*;"'
    r'\s*:\s*"=\w"\((?P<to>\w+)\)\s*:(?P<operands>[^;]*)\);'
)
_INSTRUCTIONS = {
    "cvt.f32.f16": "F16::wide({0})",
    "cvt.rn.f16.f32": "F16::nearest({0})",
    "cvt.rn.bf16.f32": "Bf16::nearest({0})",
    "cvt.rz.f16.f32": "F16::zeroward({0})",
    "cvt.rn.f16x2.f32": "F16::nearest({1}) | static_cast<u32>(F16::nearest({0})) << 16",
    "cvt.rn.bf16x2.f32": "Bf16::nearest({1}) | static_cast<u32>(Bf16::nearest({0})) << 16",
    "prmt.b32": "prmt({0}, {1}, {2})",
    "rcp.approx.ftz.f32": "1.0f / {0}",
    "fma.rn.": "fma_x2<PAIR_KIND>({0}, {1}, {2})",
    "max.": "max_x2<PAIR_KIND>({0}, {1})",
    "cvt.rn.satfinite.": "fp8_x2({1}, {0})",
    "min.xorsign.abs.bf16x2": "min_xorsign_x2({0}, {1})",
    "min.": "min_x2<PAIR_KIND>({0}, {1})",
}


def _on_host(found: re.Match[str]) -> str:
    operands = re.findall(r'"\w"\(([^()]*)\)', found["operands"])
    if found["name"] not in _INSTRUCTIONS:
        return found[0]  # no host assembles it
    return f"{found['to']} = {_INSTRUCTIONS[found['name']].format(*operands)};"


def build(main: str, macros: dict[str, int], folder: Path) -> Path:
    """The program ``main`` (C++ text that includes headers of the kernels). Raises CalledProcessError where it does not
    compile."""
    for path in (*SOURCE_ROOT.glob("common/*.cuh"), *SOURCE_ROOT.glob("quantize/*.cuh")):
        text = path.read_text()
        if "asm volatile" in text:
            continue  # of products: not included here
        copy = folder / path.relative_to(SOURCE_ROOT)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(_ASSEMBLY.sub(_on_host, text))
    kind = "F16" if macros.get("VALUE") == 1 else "Bf16"
    defined = [f"-D{name}={value}" for name, value in {**macros, "PAIR_KIND": kind}.items()]
    source, program = folder / "main.cpp", folder / "main"
    source.write_text('#include "host_cuda.h"\n' + main)
    options = ["-std=c++20", "-O1", "-w", "-ffp-contract=off", f"-I{_HERE}", f"-I{folder}"]
    subprocess.run(["g++", *options, *defined, str(source), "-o", str(program)], check=True, capture_output=True)
    return program
