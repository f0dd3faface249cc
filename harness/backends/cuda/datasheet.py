"""NVIDIA's own figures, one row a model: what a device is said to reach. What it did reach is in ``peaks.py``.

Rates are dense and with sums in f32 (int32 for integers), so GeForce rows have the halved rates of such sums. Where a
sheet gives tensor rates with sparsity only, half of them stands here. Tensor units boost less high than the rest on some
models: ``tensor_clock_hz`` is the clock that the tensor rates are stated at.
"""

from __future__ import annotations

from dataclasses import dataclass

_OPS_PER_DP4A = 8  # four products, four additions
_BITS_A_BYTE = 8


@dataclass(frozen=True)
class Architecture:
    """What one multiprocessor does a clock. ``f32_lanes`` and ``dp4a_lanes`` start one FMA or DP4A each (a DP4A runs where
    32-bit integer products do; None: not known); ``f16_ops`` are operations of the tensor units in f16 with sums in f32,
    ``fp8_ops`` and ``int8_ops`` likewise, and half of ``f16_ops`` in TF32."""

    f32_lanes: int
    dp4a_lanes: int | None
    f16_ops: int
    int8_ops: int
    fp8_ops: int | None


ARCHITECTURES: dict[str, Architecture] = {
    "ampere": Architecture(64, 64, 2048, 4096, None),
    "hopper": Architecture(128, 64, 4096, 8192, 8192),
    "ada": Architecture(128, 64, 1024, 2048, 2048),
    "ada_geforce": Architecture(128, 64, 512, 2048, 1024),
    "blackwell": Architecture(128, None, 8192, 16384, 16384),
    "blackwell_pro": Architecture(128, None, 1024, 2048, 2048),
    "blackwell_geforce": Architecture(128, None, 512, 2048, 1024),
}
"""64 DP4A a clock and multiprocessor: an H100 did 117 of the 119 TOPS that this makes (kernels/gemm/NOTES.md); Ampere and Ada
have as many lanes for integer products (CUDA C++ Programming Guide, throughput of native arithmetic instructions)."""


@dataclass(frozen=True)
class DataSheet:
    """One GPU model, named as the driver names it. Bytes and operations a second, clocks in Hz, board power in W."""

    model: str
    architecture: str
    multiprocessors: int
    memory_bytes_per_s: float
    boost_clock_hz: float
    tensor_clock_hz: float
    power_w: float
    f32: float
    tf32: float
    f16: float
    int8: float
    fp8: float | None
    source: str

    @property
    def rates(self) -> dict[str, float]:
        """Arithmetic → operations a second, those that there are. dp4a = multiprocessors · lanes · 8 · boost clock. b1: eight
        bits for each byte of int8, as NVIDIA's A100 whitepaper states for that model; no later sheet has a figure."""
        lanes = ARCHITECTURES[self.architecture].dp4a_lanes
        dp4a = self.multiprocessors * lanes * _OPS_PER_DP4A * self.boost_clock_hz if lanes is not None else None
        found = {
            "f32": self.f32,
            "tf32": self.tf32,
            "f16": self.f16,
            "bf16": self.f16,
            "fp8": self.fp8,
            "int8": self.int8,
            "b1": _BITS_A_BYTE * self.int8,
            "dp4a": dp4a,
        }
        return {name: rate for name, rate in found.items() if rate is not None}

    def rate_clock_hz(self, arithmetic: str) -> float:
        """The clock that a rate is stated at."""
        return self.boost_clock_hz if arithmetic in ("f32", "dp4a") else self.tensor_clock_hz

    def highest_rate(self, arithmetic: str, max_clock_hz: float | None = None) -> float | None:
        """Operations a second at the highest clock: the boost clock, or ``max_clock_hz`` where that is higher."""
        rate = self.rates.get(arithmetic)
        if rate is None:
            return None
        return rate * (max(self.boost_clock_hz, max_clock_hz or 0.0) / self.rate_clock_hz(arithmetic))


_A100 = "NVIDIA A100 Tensor Core GPU data sheet, specifications"
_H100 = "NVIDIA H100 Tensor Core GPU Architecture whitepaper, comparison of A100 and H100"
_H100_NVL = "NVIDIA H100 Tensor Core GPU data sheet, specifications (H100 NVL); clock: H100 NVL product brief"
_H200 = "NVIDIA H200 Tensor Core GPU data sheet, specifications; clocks: H100 whitepaper, the same GPU"
_L4 = "NVIDIA L4 Tensor Core GPU data sheet, specifications; clock: L4 product brief"
_L40S = "NVIDIA L40S data sheet, specifications; clock: L40S product brief"
_RTX_4090 = "NVIDIA Ada GPU Architecture whitepaper, GeForce RTX 4090 compared with RTX 3090 Ti"
_RTX_5090 = "NVIDIA RTX Blackwell GPU Architecture whitepaper, GeForce RTX 5090 compared with RTX 4090"
_RTX_PRO_6000 = "NVIDIA RTX Blackwell PRO GPU Architecture whitepaper, RTX PRO 6000 Blackwell Workstation Edition"
_B200 = "NVIDIA HGX B200 data sheet, an eighth of the board; memory: NVIDIA Blackwell Architecture technical brief"

# fmt: off
DATASHEETS: dict[str, DataSheet] = {
    row.model: row
    for row in (
        #         model                          architecture  SMs  memory    boost    tensor   W     f32      tf32      f16       int8      fp8
        DataSheet("NVIDIA A100-SXM4-40GB",       "ampere",     108, 1.555e12, 1.410e9, 1.410e9, 400, 19.5e12, 156e12,   312e12,   624e12,   None,     _A100),
        DataSheet("NVIDIA A100-SXM4-80GB",       "ampere",     108, 2.039e12, 1.410e9, 1.410e9, 400, 19.5e12, 156e12,   312e12,   624e12,   None,     _A100),
        DataSheet("NVIDIA A100-PCIE-40GB",       "ampere",     108, 1.555e12, 1.410e9, 1.410e9, 250, 19.5e12, 156e12,   312e12,   624e12,   None,     _A100),
        DataSheet("NVIDIA A100 80GB PCIe",       "ampere",     108, 1.935e12, 1.410e9, 1.410e9, 300, 19.5e12, 156e12,   312e12,   624e12,   None,     _A100),
        DataSheet("NVIDIA H100 80GB HBM3",       "hopper",     132, 3.352e12, 1.980e9, 1.830e9, 700, 66.9e12, 494.7e12, 989.4e12, 1978.9e12, 1978.9e12, _H100),
        DataSheet("NVIDIA H100 PCIe",            "hopper",     114, 2.039e12, 1.755e9, 1.620e9, 350, 51.2e12, 378e12,   756e12,   1513e12,  1513e12,  _H100),
        DataSheet("NVIDIA H100 NVL",             "hopper",     132, 3.938e12, 1.785e9, 1.545e9, 400, 60e12,   417.5e12, 835.5e12, 1670.5e12, 1670.5e12, _H100_NVL),
        DataSheet("NVIDIA H200",                 "hopper",     132, 4.8e12,   1.980e9, 1.830e9, 700, 67e12,   494.5e12, 989.5e12, 1979e12,  1979e12,  _H200),
        DataSheet("NVIDIA L4",                   "ada",         58, 300e9,    2.040e9, 2.040e9,  72, 30.3e12, 60e12,    121e12,   242.5e12, 242.5e12, _L4),
        DataSheet("NVIDIA L40S",                 "ada",        142, 864e9,    2.520e9, 2.520e9, 350, 91.6e12, 183e12,   366.5e12, 733e12,   733e12,   _L40S),
        DataSheet("NVIDIA GeForce RTX 4090",     "ada_geforce", 128, 1.008e12, 2.520e9, 2.520e9, 450, 82.6e12, 82.6e12, 165.2e12, 660.6e12, 330.3e12, _RTX_4090),
        DataSheet("NVIDIA GeForce RTX 5090",     "blackwell_geforce", 170, 1.792e12, 2.407e9, 2.407e9, 575, 104.8e12, 104.8e12, 209.5e12, 838e12, 419e12, _RTX_5090),
        DataSheet("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "blackwell_pro", 188, 1.792e12, 2.617e9, 2.617e9, 600, 126e12, 251.9e12, 503.8e12, 1007.6e12, 1007.6e12, _RTX_PRO_6000),
        DataSheet("NVIDIA B200",                 "blackwell",  148, 8e12,     1.980e9, 1.856e9, 1000, 75e12,  1.125e15, 2.25e15,  4.5e15,   4.5e15,   _B200),
    )
}
# fmt: on


def datasheet(model: str) -> DataSheet | None:
    """The row of a model as the driver names it, or None. Of a MIG instance (``… MIG 1g.10gb``) the whole card's row: upper
    bounds for a part of it."""
    return DATASHEETS.get(model.partition(" MIG ")[0].strip())
