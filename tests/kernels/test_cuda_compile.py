"""Every CUDA source, in specialisations that the suites plan, compiles for every architecture, within its registers.

No device is needed. What an architecture cannot do must be declared by the kernel's spec: nothing is left out silently.
"""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from covering import covering, values_of

from harness.backends.cuda.ahead import specialisations
from harness.backends.cuda.compiler import cubin
from harness.backends.cuda.resources import resources
from harness.backends.cuda.same_bytes import comparison
from harness.device import Device
from harness.kernels import KERNELS
from harness.kernels.specialisation import SOURCE_ROOT, Specialisation, capability_of
from harness.plan import plan
from harness.suite import load_suite
from harness.verify import conformance_suite, cuda_kernels

ARCHITECTURES = ("sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120a")
FULL = os.environ.get("COMPILE") == "full"
"""All for every architecture takes many minutes, and is for the night. Else each source is compiled for every architecture, and
each value of each of its macros for one of them."""
ROOT = Path(__file__).resolve().parents[2]
SUITES = sorted((ROOT / "suites").glob("*.yaml")) + sorted({conformance_suite(spec.op) for spec in cuda_kernels()})
SOURCES = {spec.cuda.file: spec.cuda for spec in KERNELS if spec.cuda is not None}

INSTRUMENTS = (
    Specialisation("common/gate.cu"),
    Specialisation("common/read.cu"),
    *(comparison(wide=wide) for wide in (True, False)),
)
"""What the timing and the checks launch themselves."""
READ_RING = Specialisation.of("common/read_ring.cu", STAGES=12, BYTES=8192)
"""Of ``tests/gpu/floors.py``, which needs an architecture with bulk copies."""


def _chosen(architecture: str) -> tuple[Specialisation, ...]:
    """What is compiled for it here."""
    return _planned(architecture) if FULL else _covering()[architecture]


@functools.cache
def _covering() -> dict[str, tuple[Specialisation, ...]]:
    return covering({architecture: _planned(architecture) for architecture in ARCHITECTURES})


@functools.cache
def _planned(architecture: str) -> tuple[Specialisation, ...]:
    device = Device("cuda:0", "cuda", "any", architecture, 1 << 40)
    found = [each for path in SUITES for each in specialisations(plan(load_suite(path), device), device)]
    of_floors = (READ_RING,) if capability_of(architecture) >= (9, 0) else ()
    return tuple(dict.fromkeys([*found, *INSTRUMENTS, *of_floors]))


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory):
    """Everything is compiled here and now."""
    before = os.environ.get("HARNESS_CACHE")
    os.environ["HARNESS_CACHE"] = str(tmp_path_factory.mktemp("cubins"))
    yield
    os.environ.pop("HARNESS_CACHE") if before is None else os.environ.update(HARNESS_CACHE=before)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_specialisation_compiles_without_spills(architecture):
    wanted = _chosen(architecture)

    def problems(specialisation: Specialisation) -> list[str]:
        declared = SOURCES.get(specialisation.source)
        limits = (declared.max_registers, declared.max_stack_bytes) if declared else (40,)
        found = resources(cubin(specialisation, architecture))
        return [f"{specialisation.label}: {text}" for each in found if (text := each.problem(*limits))]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = [text for texts in pool.map(problems, wanted) for text in texts]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_source_is_compiled_or_declared_impossible(architecture):
    compiled = {each.source for each in _planned(architecture)}
    for spec in cuda_kernels():
        if spec.cuda is not None:
            declared = spec.cuda.problem_on(architecture)
            assert (spec.cuda.file in compiled) == (declared is None), f"{spec.name}: {declared}"


def test_what_is_compiled_covers_sources_everywhere_and_values_somewhere():
    chosen = _covering()
    for architecture in ARCHITECTURES:
        planned, compiled = (
            {each.source for each in those} for those in (_planned(architecture), chosen[architecture])
        )
        assert planned == compiled, architecture
    everywhere, compiled = (
        {value for those in lists for one in those for value in values_of(one)}
        for lists in ([_planned(each) for each in ARCHITECTURES], chosen.values())
    )
    assert everywhere == compiled
    assert sum(map(len, chosen.values())) < len({*sum(map(_planned, ARCHITECTURES), ())})


def test_every_cuda_source_belongs_to_a_kernel():
    there = {str(path.relative_to(SOURCE_ROOT)) for path in SOURCE_ROOT.rglob("*.cu")}
    assert there == {*SOURCES, *(each.source for each in INSTRUMENTS), READ_RING.source}


def test_declared_registers_are_not_far_from_what_is_used():
    """A declaration with much room says nothing. Where not all is compiled, what needs most may be missing."""
    room = 16 if FULL else 32
    most: dict[str, int] = {}
    for architecture in ARCHITECTURES:
        for each in _chosen(architecture):
            used = max(entry.registers for entry in resources(cubin(each, architecture)))
            most[each.source] = max(most.get(each.source, 0), used)
    for source, declared in SOURCES.items():
        assert most[source] <= declared.max_registers <= most[source] + room, (source, most[source])


@pytest.mark.parametrize(
    ("name", "capability"), [("sm_80", (8, 0)), ("sm_90a", (9, 0)), ("sm_100a", (10, 0)), ("sm_120a", (12, 0))]
)
def test_capability_of(name, capability):
    assert capability_of(name) == capability


def test_a_lower_architecture_is_refused_with_the_reason():
    for declared in SOURCES.values():
        major, minor = declared.capability
        lower = f"needs compute capability {major}.{minor}, sm_75 is lower"
        assert declared.problem_on("sm_75") == ("needs sm_90a, this is sm_75" if declared.only else lower)


def test_instructions_that_no_later_architecture_has_are_refused_there():
    hopper = [declared for declared in SOURCES.values() if declared.only]
    assert {declared.only for declared in hopper} == {("sm_90a",)}
    for declared in hopper:
        assert declared.problem_on("sm_90a") is None
        assert declared.problem_on("sm_100a") == "needs sm_90a, this is sm_100a"
        assert declared.problem_on("sm_90") == "needs sm_90a, this is sm_90"
