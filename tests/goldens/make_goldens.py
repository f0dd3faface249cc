"""Makes the goldens: what other libraries make of chosen tensors, so that the comparison runs where they are absent.

    pip install gfloat torch torchao bitsandbytes
    python tests/goldens/make_goldens.py            # writes *.npz beside this file

Every archive holds the inputs, the library's outputs and its version. Nothing of the harness takes part.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
FOLDER = Path(__file__).parent

GFLOAT_FORMATS = {
    "fp8_e4m3": "format_info_ocp_e4m3",
    "fp8_e5m2": "format_info_ocp_e5m2",
    "fp6_e2m3": "format_info_ocp_e2m3",
    "fp6_e3m2": "format_info_ocp_e3m2",
    "fp4_e2m1": "format_info_ocp_e2m1",
    "bf16": "format_info_bfloat16",
    "f16": "format_info_binary16",
}
MX_FORMATS = {
    "fp8_e4m3": "float8_e4m3fn",
    "fp8_e5m2": "float8_e5m2",
    "fp6_e2m3": "fp6_e2m3",
    "fp6_e3m2": "fp6_e3m2",
    "fp4_e2m1": "float4_e2m1fn_x2",
}
INTEGER_RANGES = {
    **{f"int{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in range(2, 9)},
    **{f"uint{bits}": (0, (1 << bits) - 1) for bits in range(2, 9)},
    "ternary": (-1, 1),
}


def spread_bits(count: int, seed: int) -> NDArray[np.float32]:
    """Finite f32 with random exponents from 2^-20 to 2^18; most lower mantissa bits are zero, so that ties occur."""
    rng = np.random.default_rng(seed)
    mantissa = rng.integers(0, 1 << 23, count) & ~((1 << rng.choice([0, 17, 19, 20, 21], count)) - 1)
    exponent = rng.integers(127 - 20, 127 + 18, count)
    pattern = (rng.integers(0, 2, count) << 31) | (exponent << 23) | mantissa
    return np.concatenate([[0.0, -0.0], pattern.astype(np.uint32).view(np.float32)[2:]]).astype(np.float32)


def block_values(rows: int, cols: int, block: int, seed: int) -> NDArray[np.float32]:
    """Normal blocks of very different sizes; a block of zeros; blocks whose largest magnitude is a power of two or
    a large code times one, with neighbours; in the last row exact multiples of 1/4, which make ties."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, cols // block, block)).astype(np.float32)
    x *= np.exp2(rng.integers(-12, 12, (rows, cols // block, 1))).astype(np.float32)
    for column, top in enumerate(np.array([0, 4, 448, 6, 7.5, 28, 57344, 127], np.float32)[: cols // block]):
        for row, step in enumerate((-1, 0, 1)):
            edge = np.nextafter(top, np.float32(step * np.inf)) if step and top else top
            x[row, column] = np.clip(x[row, column], -edge, edge)
            x[row, column, 0] = edge
    x[-1] = rng.integers(-24, 25, x[-1].shape) / 4
    return x.reshape(rows, cols)


def gfloat(count: int = 700, seed: int = 1) -> Arrays:
    """Each format's rounding (TiesToEven, saturating) of the same values."""
    library, formats = importlib.import_module("gfloat"), importlib.import_module("gfloat.formats")
    x = spread_bits(count, seed)
    arrays: Arrays = {"x": x}
    for name, attribute in GFLOAT_FORMATS.items():
        row = getattr(formats, attribute)
        rounded = library.round_ndarray(row, x.astype(np.float64), library.RoundMode.TiesToEven, sat=True)
        arrays[name] = rounded.astype(np.float32)
    return arrays


def torch(rows: int = 6, cols: int = 40, seed: int = 2) -> Arrays:
    """fake_quantize_per_tensor_affine and per_channel_affine; saturating casts to the 8-bit floats."""
    library = importlib.import_module("torch")
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((rows, cols)) * 3).astype(np.float32)
    x[:, ::5] = rng.integers(-40, 41, x[:, ::5].shape) / 8
    scale = np.exp(rng.normal(-3, 1, rows)).astype(np.float32)
    scale[:2] = [0.25, 0.1]
    x[:, 1::5] = (rng.integers(-9, 9, x[:, 1::5].shape) + np.float32(0.5)) * scale[:, None]  # next to ties
    arrays: Arrays = {"x": x, "scale": scale}
    tensor, scales = library.from_numpy(x), library.from_numpy(scale)
    for name, (low, high) in INTEGER_RANGES.items():
        zero_point = rng.integers(low, high + 1, rows).astype(np.int32) * (name != "ternary")
        points = library.from_numpy(zero_point)
        whole = [
            library.fake_quantize_per_tensor_affine(tensor, float(s), int(z), low, high).numpy()
            for s, z in zip(scale[1:3], zero_point[1:3], strict=True)
        ]
        channels = library.fake_quantize_per_channel_affine(tensor, scales, points, 0, low, high)
        arrays |= {f"{name}_zero_point": zero_point, f"{name}_per_tensor": np.stack(whole)}
        arrays[f"{name}_per_channel"] = channels.numpy()
    values = spread_bits(2 * rows * cols, seed)
    arrays["cast_x"] = values
    for name, dtype, largest in (("fp8_e4m3", "float8_e4m3fn", 448), ("fp8_e5m2", "float8_e5m2", 57344)):
        cast = library.from_numpy(np.clip(values, -largest, largest)).to(getattr(library, dtype))
        arrays[f"{name}_cast"] = cast.view(library.uint8).numpy()
    arrays["bf16_cast"] = library.from_numpy(values).to(library.bfloat16).float().numpy()
    return arrays


def torchao(rows: int = 6, seed: int = 3) -> Arrays:
    """MX by the floor and the round-up rule, in blocks of 32, and two-level NVFP4 in blocks of 16."""
    library = importlib.import_module("torch")
    mx = importlib.import_module("torchao.prototype.mx_formats.mx_tensor")
    nv = importlib.import_module("torchao.prototype.mx_formats.nvfp4_tensor")
    x = block_values(rows, 256, 32, seed)
    tensor = library.from_numpy(x)
    arrays: Arrays = {"x": x}
    for name, attribute in MX_FORMATS.items():
        dtype = getattr(library, attribute, attribute)
        for mode in ("FLOOR", "RCEIL"):
            scale, codes = mx.to_mx(tensor, dtype, 32, getattr(mx.ScaleCalculationMode, mode))
            arrays[f"{name}_{mode.lower()}_exponent"] = scale.view(library.uint8).numpy().reshape(rows, -1)
            arrays[f"{name}_{mode.lower()}_codes"] = _bytes(codes, library, x.shape)
    small = np.random.default_rng(seed).standard_normal((rows, 128)).astype(np.float32)
    small[0, :16] = 0
    small[-1] *= np.repeat(np.exp2(-3 * np.arange(8)), 16).astype(np.float32)  # down to the smallest block scales
    amax = library.from_numpy(np.abs(small).max(keepdims=True).reshape(1))
    whole = nv.per_tensor_amax_to_scale(amax)
    blocks, packed = nv.nvfp4_quantize(library.from_numpy(small), 16, whole)
    arrays |= {"nvfp4_x": small, "nvfp4_global": whole.numpy()}
    arrays["nvfp4_block"] = blocks.float().numpy().reshape(rows, -1)
    arrays["nvfp4_codes"] = _bytes(packed, library, small.shape)
    return arrays


def _bytes(codes: Any, library: Any, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Codes one a byte; two to a byte (low nibble first) are taken apart."""
    raw: NDArray[np.uint8] = codes.view(library.uint8).numpy().reshape(shape[0], -1)
    return raw if raw.shape == shape else np.stack([raw & 15, raw >> 4], axis=-1).reshape(shape)


def bitsandbytes(rows: int = 12, seed: int = 4) -> Arrays:
    """quantize_4bit(quant_type="nf4") in blocks of 64; one holds the f32 around every midpoint of the table."""
    library = importlib.import_module("torch")
    functional = importlib.import_module("bitsandbytes.functional")
    x = np.random.default_rng(seed).standard_normal((rows, 64)).astype(np.float32)
    x[0] = np.linspace(-1, 1, 64)
    table = functional.get_4bit_type("nf4", device="cpu").numpy().astype(np.float64)
    middle = ((table[:-1] + table[1:]) / 2).astype(np.float32)
    x[1] = 1
    x[1, :45] = np.concatenate([middle, np.nextafter(middle, -9), np.nextafter(middle, 9)])
    packed, state = functional.quantize_4bit(library.from_numpy(x), blocksize=64, quant_type="nf4")
    raw = packed.numpy().ravel()
    codes = np.stack([raw >> 4, raw & 15], axis=-1).reshape(x.shape)  # this library puts the high nibble first
    return {"x": x, "absmax": state.absmax.numpy(), "codes": codes, "table": state.code.numpy()}


PRODUCERS: dict[str, Callable[[], Arrays]] = {
    producer.__name__: producer for producer in (gfloat, torch, torchao, bitsandbytes)
}
"""Library → what it makes; the archive is named after the library."""
NEEDED = {
    "gfloat": ("gfloat",),
    "torch": ("torch",),
    "torchao": ("torch", "torchao"),
    "bitsandbytes": ("torch", "bitsandbytes"),
}
"""Library → what has to be installed."""


def main() -> None:
    for name, producer in PRODUCERS.items():
        version = importlib.import_module("importlib.metadata").version(name)
        np.savez_compressed(FOLDER / f"{name}.npz", version=np.array(version), **producer())  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
