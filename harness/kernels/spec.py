"""KernelSpec: what a kernel declares about itself, so that planning needs neither its code nor a device."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.device import Device
from harness.kernels.specialisation import CudaSource
from harness.numerics.epilogue import NOTHING, Epilogue
from harness.numerics.scheme import OperandScheme

Role = Literal["kernel", "baseline", "peer", "reference", "pitfall"]
PITFALL: Role = "pitfall"
"""Of kernels that are wrong on purpose: they run where a suite names them, and nothing recommends them."""


@dataclass(frozen=True)
class OperandPlan:
    """What a kernel is asked to take as one operand. ``scheme`` None: not quantized. ``dtype`` is the type of its
    unquantized values. Where something follows the product the output is a role too, with its ``epilogue``."""

    shape: tuple[int, ...]
    scheme: OperandScheme | None
    channel_axis: int = 0
    dtype: str = "f32"
    epilogue: Epilogue = NOTHING


OUTPUT = "output"
"""The role of an output that an epilogue makes; and what kernels ignore that make the bare product whatever follows."""


def epilogue_of(request: Mapping[str, OperandPlan]) -> Epilogue:
    """What follows the product."""
    return request[OUTPUT].epilogue if OUTPUT in request else NOTHING


Request = Mapping[str, OperandPlan]
Supports = Callable[[Request, Device], str | None]


def supports_all(request: Request, device: Device) -> str | None:
    """For kernels that take whatever the schemes themselves allow."""
    return None


@dataclass(frozen=True)
class KernelSpec:
    """One row of the kernel table.

    ``backend`` None runs on any. ``entry`` is ``module:attribute`` of the class that runs it, imported in the worker;
    empty where this version has no implementation for the backend. ``supports`` gives the reason why a request cannot
    be served, or None. ``ignores`` names operands whose scheme the kernel never looks at (a float baseline): their
    axes collapse to one case. ``definition`` says what the kernel computes where that is not the oracle's definition,
    and the bound it is held to. ``cuda`` describes the source of a kernel that this repository compiles. ``arithmetic`` names
    the unit's rate that bounds its operations (``f16``, ``int8``, ``dp4a`` … of ``harness.backends.cuda.datasheet``).
    ``requires`` names a module that is not among this package's own (a peer's): without it the kernel's cases are skipped;
    ``install`` is what pip calls it, where that is another name.
    ``chooses``: a case of it is run by the fastest of the op's kernels that take it (``harness.tuning``); ``gives_codes``: its
    output is coded once more, so that it never is that one.
    ``reorders_sums``: atomics order its sums, so that figures of its error differ from run to run; what it computes is held
    to its bound alone. All other kernels give the same figures every time. ``epilogue``: takes any; else none.
    """

    name: str
    op: str
    backend: str | None
    role: Role
    entry: str
    doc: str
    supports: Supports = supports_all
    ignores: frozenset[str] = frozenset()
    definition: str = ""
    max_samples: int | None = field(default=None)
    """Reference kernels are timed at most three times."""
    cuda: CudaSource | None = None
    arithmetic: str | None = None
    requires: str = ""
    install: str = ""
    reorders_sums: bool = False
    epilogue: bool = False
    chooses: bool = False
    gives_codes: bool = False

    def problem(self, request: Request, device: Device) -> str | None:
        """Why ``device`` cannot serve ``request`` with this kernel, or None."""
        if self.cuda is not None and (reason := self.cuda.problem_on(device.architecture)):
            return reason
        if OUTPUT in request and not self.epilogue:
            return "takes no epilogue"
        if (reason := self.supports(request, device)) is not None:
            return reason
        if self.requires and importlib.util.find_spec(self.requires) is None:
            return f"needs the package {self.requires}: pip install {self.install or self.requires}"
        return None

    def backend_on(self, device: Device) -> str:
        """The backend that runs it where ``device`` is what there is. What runs anywhere is NumPy."""
        return self.backend or (device.backend if self.chooses else "cpu")

    def load(self) -> Any:
        """The class that runs this kernel."""
        return load_attribute(self.entry)


def reference_spec(
    op: str,
    *,
    family: str | None = None,
    supports: Supports = supports_all,
    doc: str = "the NumPy oracle run as a kernel",
) -> KernelSpec:
    """The row of an op's oracle run as a kernel; ``family`` is its folder where that is not named like the op."""
    entry = f"harness.kernels.{family or op}.oracle:REFERENCE"
    return KernelSpec("reference", op, None, "reference", entry, doc, supports=supports, max_samples=3, epilogue=True)


def load_attribute(entry: str) -> Any:
    """Import ``module:attribute``."""
    module, _, attribute = entry.partition(":")
    return getattr(importlib.import_module(module), attribute)
