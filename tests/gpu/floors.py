"""What a product with few tokens can at best take on the GPU that is here: the time to read its weight once, and do nothing else.

``python tests/gpu/floors.py`` prints a table for 28672 x 8192 weights of 1 to 16 bits (bytes of codes alone), read by
``common/read_ring.cu``: by blocks that stay, ahead into rings of shared memory, from cold caches, on random bytes. Needs compute
capability 9.0.
"""

from __future__ import annotations

import numpy as np

from harness.backends import find_device
from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.backends.cuda.timing import time_launch
from harness.device import Device
from harness.kernels.specialisation import Specialisation
from harness.timing import Measure

_MEASURE = Measure(min_samples=20, min_time_s=0.05, max_time_s=0.5)
_STAGE, _STAGES = 8192, 12
_CODES = 28672 * 8192


class ReadRing(CudaKernel):
    """``size`` random bytes, a multiple of the stage's."""

    def __init__(self, device: Device, size: int) -> None:
        self._values = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
        super().__init__(device, {"x": self._values}, {"sums": Output((self.blocks(device),), np.uint32)})
        self._shared = _STAGES * (_STAGE + 16)
        chosen = Specialisation.of("common/read_ring.cu", STAGES=_STAGES, BYTES=_STAGE)
        self._kernel = self.session.kernel(chosen, "read_ring", self._shared)

    @staticmethod
    def blocks(device: Device) -> int:
        from harness.backends.cuda.session import session

        return session(device).multiprocessors

    def launch_on(self, arrays: Arrays) -> None:
        count = np.uint32(len(self._values) // _STAGE)
        blocks = self.session.multiprocessors
        self.session.launch(self._kernel, blocks, 384, arrays["x"], count, arrays["sums"], shared_bytes=self._shared)

    def right(self) -> bool:
        """Whether each stage was read: by the sum of their first words."""
        words = self._values.view(np.uint32).reshape(-1, _STAGE // 4)[:, 0]
        return int(self.array("sums").sum(dtype=np.uint32)) == int(words.sum(dtype=np.uint32))


def main() -> None:
    device = find_device("auto")
    print("| bits a weight | MB | µs | TB/s |\n|--:|--:|--:|--:|")
    for bits in (1, 2, 4, 8, 16):
        size = _CODES * bits // 8
        kernel = ReadRing(device, size)
        kernel.poison()
        kernel.launch()
        if not kernel.right():
            raise SystemExit(f"read_ring has not read all of {size} bytes")
        time_s = time_launch(kernel, _MEASURE).time_s
        print(f"| {bits} | {size / 1e6:.1f} | {time_s * 1e6:.1f} | {size / time_s / 1e12:.2f} |", flush=True)


if __name__ == "__main__":
    main()
