"""Synthetic tensors: one row per distribution, and the seed that every machine derives the same bytes from.

What is guaranteed. The bytes of a tensor depend on the suite's seed, the shape (its name and its extents), the
tensor's role and the label of the distribution, and on nothing else: not on kernel, scheme, thread count or device.
Samples are drawn one after another by NumPy's ``Generator`` over PCG64 (O'Neill, HMC-CS-2014-0905) in float64 and
rounded once to float32. PCG64's bits are the same everywhere. The distributions' methods call the C library's ``log``
and ``exp``, whose last float64 bit may differ between C libraries: it survives the rounding to float32 with a
probability of about 2**-29 an element, and for ``normal`` only the tail beyond 3.65 standard deviations is concerned
at all. That is why the float64 methods are used; the float32 ones would let the last bit through. NumPy may change a
method's stream in a release (NEP 19); the tests pin digests, so such a release is noticed before it changes a result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.seeding import random_order, seeded_generator
from harness.errors import DataError, did_you_mean

Draw = Callable[[np.random.Generator, int, Mapping[str, float]], NDArray[np.float64]]

# 64 Ki float64 samples stay in a core's L2 cache until they are rounded: 0.17 s instead of 0.34 s for 4096 x 4096.
CHUNK = 1 << 16


@dataclass(frozen=True)
class Parameter:
    """A number that a distribution takes: its default and the rule that it has to obey (besides being finite)."""

    name: str
    default: float
    rule: str = "finite"
    holds: Callable[[float], bool] = math.isfinite


@dataclass(frozen=True)
class Distribution:
    """A row of ``DISTRIBUTIONS``. ``draw(generator, count, parameters)`` returns float64 samples of shape [count]."""

    name: str
    doc: str
    parameters: tuple[Parameter, ...]
    draw: Draw
    rule: str = ""
    holds: Callable[[Mapping[str, float]], bool] = lambda _: True


def _positive(value: float) -> bool:
    return value > 0


def _scale(name: str) -> Parameter:
    return Parameter(name, 1.0, "greater than 0", _positive)


OUTLIERS = (
    Parameter("outlier_channels", 0.0, "a fraction between 0 and 1", lambda value: 0 <= value <= 1),
    Parameter("outlier_scale", 1.0, "greater than 0", _positive),
)

_ROWS = (
    Distribution(
        "normal",
        "Gaussian: weights of most trained layers",
        (Parameter("mean", 0.0), _scale("std")),
        lambda rng, count, p: p["mean"] + p["std"] * rng.standard_normal(count),
    ),
    Distribution(
        "uniform",
        "flat between low (included) and high: the case that integer codes fit best",
        (Parameter("low", -1.0), Parameter("high", 1.0)),
        lambda rng, count, p: p["low"] + (p["high"] - p["low"]) * rng.random(count),
        rule="high greater than low",
        holds=lambda p: p["high"] > p["low"],
    ),
    Distribution(
        "laplace",
        "double exponential: heavier tails than normal, like many activations",
        (Parameter("loc", 0.0), _scale("scale")),
        lambda rng, count, p: rng.laplace(p["loc"], p["scale"], count),
    ),
    Distribution(
        "student_t",
        "Student's t: tails as heavy as df is small (kurtosis is infinite for df <= 4)",
        (Parameter("df", 4.0, "greater than 0", _positive), _scale("scale")),
        lambda rng, count, p: p["scale"] * rng.standard_t(p["df"], count),
    ),
    Distribution(
        "lognormal",
        "exp of a normal: one-sided and heavy-tailed",
        (Parameter("mean", 0.0), Parameter("sigma", 1.0, "greater than 0", _positive)),
        lambda rng, count, p: rng.lognormal(p["mean"], p["sigma"], count),
    ),
    Distribution(
        "relu_normal",
        "max(normal, 0): what follows a ReLU",
        (Parameter("mean", 0.0), _scale("std")),
        lambda rng, count, p: np.maximum(p["mean"] + p["std"] * rng.standard_normal(count), 0.0),
    ),
)
DISTRIBUTIONS: dict[str, Distribution] = {row.name: row for row in _ROWS}


@dataclass(frozen=True)
class Synthetic:
    """A distribution with the parameters that differ from its defaults, in the row's order."""

    distribution: str
    parameters: tuple[tuple[str, float], ...] = ()

    @property
    def label(self) -> str:
        """``normal`` or ``normal(std=0.02, outlier_channels=0.01)``: equal data have equal labels."""
        inside = ", ".join(f"{name}={_number(value)}" for name, value in self.parameters)
        return f"{self.distribution}({inside})" if inside else self.distribution

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> Synthetic:
        """Read ``{"distribution": name, parameter: number, …}``.

        Raises DataError for an unknown distribution or parameter (with the nearest known name), a parameter that is no
        finite number, and one outside its range.
        """
        name = mapping.get("distribution")
        if not isinstance(name, str) or name not in DISTRIBUTIONS:
            raise DataError(
                f"distribution: must be a known name (got {name!r}); {did_you_mean(str(name), DISTRIBUTIONS)}"
            )
        row = DISTRIBUTIONS[name]
        known = {parameter.name: parameter for parameter in (*row.parameters, *OUTLIERS)}
        given: dict[str, float] = {}
        for key, value in mapping.items():
            if key == "distribution":
                continue
            if key not in known:
                raise DataError(f"{name}: has no parameter {key!r}; {did_you_mean(str(key), known)}")
            given[key] = _checked(name, known[key], value)
        values = {key: given.get(key, parameter.default) for key, parameter in known.items()}
        if not row.holds(values):
            got = ", ".join(f"{p.name}={_number(values[p.name])}" for p in row.parameters)
            raise DataError(f"{name}: needs {row.rule} (got {got})")
        return cls(name, tuple((key, values[key]) for key, p in known.items() if values[key] != p.default))


def _checked(distribution: str, parameter: Parameter, value: object) -> float:
    what = f"{distribution}.{parameter.name}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = "; YAML reads 1e-3 as text: write 1.0e-3" if isinstance(value, str) else ""
        raise DataError(f"{what}: must be a number (got {value!r}){hint}")
    try:
        number = float(value) + 0.0  # -0.0 becomes 0.0, so that equal parameters have equal labels
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise DataError(f"{what}: must be finite (got {value!r})")
    if not parameter.holds(number):
        raise DataError(f"{what}: must be {parameter.rule} (got {value!r})")
    return number


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def generate(
    synthetic: Synthetic, shape: tuple[int, ...], seed: int, role: str, shape_name: str
) -> NDArray[np.float32]:
    """A C-contiguous float32 tensor of the given shape; see the module's docstring for what its bytes depend on.

    ``role`` is the tensor's place in the operation (``weight``, ``activation``, ``tensor``); ``shape_name`` the suite's
    name of the shape. Channels, for ``outlier_channels``, run along the last axis.
    Raises DataError for a negative extent, and when the parameters make values that float32 cannot hold.
    """
    if any(extent < 0 for extent in shape):
        raise DataError(f"{shape_name}: extents must be 0 or more (got {list(shape)})")
    row = DISTRIBUTIONS[synthetic.distribution]
    values = {p.name: p.default for p in (*row.parameters, *OUTLIERS)} | dict(synthetic.parameters)
    identity = (int(seed), role, shape_name, [int(extent) for extent in shape], synthetic.label)
    generator = seeded_generator(*identity)
    tensor = np.empty(shape, np.float32)
    flat = tensor.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, flat.size, CHUNK):
            count = min(CHUNK, flat.size - start)
            flat[start : start + count] = row.draw(generator, count, values)
        _scale_outliers(
            tensor, values["outlier_channels"], values["outlier_scale"], seeded_generator("outliers", *identity)
        )
    if not np.isfinite(tensor).all():
        raise DataError(f"{synthetic.label}: some values exceed float32's range; lower the scale or raise df")
    return tensor


def _scale_outliers(tensor: NDArray[np.float32], fraction: float, scale: float, generator: np.random.Generator) -> None:
    channels = tensor.shape[-1] if tensor.ndim else 0
    if fraction == 0 or channels == 0:
        return
    chosen = random_order(generator, channels)[: max(1, round(fraction * channels))]
    tensor[..., chosen] *= np.float32(scale)
