"""One process's use of one CUDA device: its context, one stream, cupy's pool on it, and the loaded kernels."""

from __future__ import annotations

import functools
from typing import Any

from harness.backends.cuda.compiler import cubin, load_module
from harness.device import Device
from harness.kernels.specialisation import Specialisation


class Session:
    """Made once a worker and device (``session``). All work goes to one stream, cupy's too."""

    def __init__(self, device: Device) -> None:
        import cupy
        from cuda.core import Device as CudaDevice

        self.device = device
        index = int(device.name.partition(":")[2])
        self.cuda = CudaDevice(index)
        self.cuda.set_current()
        cupy.cuda.Device(index).use()
        self.stream = self.cuda.create_stream()
        cupy.cuda.ExternalStream(int(self.stream.handle), index).use()
        self.l2_bytes = int(self.cuda.properties.l2_cache_size)
        self.multiprocessors = int(self.cuda.properties.multiprocessor_count)
        self._kernels: dict[tuple[Specialisation, str], Any] = {}
        self._modules: dict[Specialisation, Any] = {}

    def kernel(self, specialisation: Specialisation, entry: str) -> Any:
        """The entry point of a specialisation, compiled (or taken from the cache) and loaded once.

        Raises CompileError with the compiler's log.
        """
        if (specialisation, entry) not in self._kernels:
            if specialisation not in self._modules:
                self._modules[specialisation] = load_module(cubin(specialisation, self.device.architecture))
            self._kernels[specialisation, entry] = self._modules[specialisation].get_kernel(entry)
        return self._kernels[specialisation, entry]

    def launch(self, kernel: Any, grid: int | tuple[int, ...], block: int, *arguments: Any) -> None:
        """Put one launch into the stream. Arrays pass as their addresses, NumPy scalars as they are."""
        from cuda.core import LaunchConfig, launch

        launch(self.stream, LaunchConfig(grid=grid, block=block), kernel, *map(_argument, arguments))

    def synchronize(self) -> None:
        """Wait for the stream; raises what went wrong in it."""
        self.stream.sync()


def _argument(value: Any) -> Any:
    """What cuda.core takes: an address for a cupy array."""
    return value.data.ptr if hasattr(value, "data") and hasattr(value.data, "ptr") else value


@functools.cache
def session(device: Device) -> Session:
    """This process's session on ``device``."""
    return Session(device)


def is_usable(device: Device) -> bool:
    """Whether the context still works: an illegal access, say, is the end of it. Memory that the failed case took goes
    back to the device: code and libraries need some that is not the pool's."""
    import cupy

    try:
        session(device).synchronize()
        cupy.get_default_memory_pool().free_all_blocks()
    except Exception:
        return False
    return True
