"""Energy of a launch: the difference of NVML's total-energy counter over seconds of launches, less what idling takes.

The power of a single launch cannot be read: the counter moves every 20 to 100 ms.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.backends.cuda.nvml import energy_j

if TYPE_CHECKING:
    from harness.backends.cuda.kernel import CudaKernel

_IDLE_S = 1.0
_LOOP_S = 3.0
_WAIT_S = 0.1
_LEAST_S = 20e-6
"""Of a launch: below that the host cannot keep the device busy, and the gaps between launches would count as theirs."""


def energy_of(
    kernel: CudaKernel,
    time_s: float,
    *,
    cold: bool,
    counter_j: Callable[[], float | None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> float | None:
    """Joules of one launch of ``time_s`` seconds above idle, operand sets taking turns; about four seconds.

    None where the device does not count its energy, for launches under 20 µs, and for ``cold`` operands whose sets do not
    exceed twice the cache: writing over the cache would count too.
    """
    if time_s < _LEAST_S or (cold and kernel.sets * kernel.operand_bytes < 2 * kernel.session.l2_bytes):
        return None
    a_wait = max(1, int(_WAIT_S / time_s))
    read = counter_j or (lambda: energy_j(kernel.session.device))
    kernel.session.synchronize()
    idle_w = _idle_power(read, clock, sleep)
    before, begin, launches = read(), clock(), 0
    if idle_w is None or before is None:
        return None
    while clock() - begin < _LOOP_S:
        for _ in range(a_wait):
            kernel.select(launches)
            kernel.launch()
            launches += 1
        kernel.session.synchronize()
    after, elapsed_s = read(), clock() - begin
    return None if after is None else (after - before - idle_w * elapsed_s) / launches


def _idle_power(
    read: Callable[[], float | None], clock: Callable[[], float], sleep: Callable[[float], None]
) -> float | None:
    before, begin = read(), clock()
    sleep(_IDLE_S)
    after, elapsed_s = read(), clock() - begin
    return None if before is None or after is None else (after - before) / elapsed_s
