"""One process's use of one CUDA device: its context, one stream, cupy's pool on it, and the loaded kernels."""

from __future__ import annotations

import functools
from typing import Any

from harness.backends.cuda.compiler import cubin, load_module
from harness.device import Device
from harness.kernels.specialisation import Specialisation

_SHARED_BYTES_UNASKED = 48 << 10
"""Dynamic shared memory that a block may have without a kernel's asking (CUDA C++ Programming Guide, shared memory)."""


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

    def kernel(self, specialisation: Specialisation, entry: str, shared_bytes: int = 0) -> Any:
        """The entry point of a specialisation, compiled (or taken from the cache) and loaded once; allowed ``shared_bytes``
        of dynamic shared memory a block.

        Raises CompileError with the compiler's log, RuntimeError where a block cannot have that much.
        """
        if (specialisation, entry) not in self._kernels:
            if specialisation not in self._modules:
                self._modules[specialisation] = load_module(cubin(specialisation, self.device.architecture))
            self._kernels[specialisation, entry] = self._modules[specialisation].get_kernel(entry)
        kernel = self._kernels[specialisation, entry]
        if shared_bytes > _SHARED_BYTES_UNASKED:
            self._allow_shared(kernel, shared_bytes)
        return kernel

    def _allow_shared(self, kernel: Any, shared_bytes: int) -> None:
        from cuda.bindings import driver

        attribute = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        (status,) = driver.cuKernelSetAttribute(attribute, shared_bytes, kernel.handle, self.cuda.device_id)
        if int(status):
            raise RuntimeError(f"{shared_bytes} bytes of shared memory a block: {status.name}")

    def launch(
        self, kernel: Any, grid: int | tuple[int, ...], block: int, *arguments: Any, shared_bytes: int = 0
    ) -> None:
        """Put one launch into the stream, its blocks with ``shared_bytes`` of dynamic shared memory. Arrays pass as their
        addresses, NumPy scalars and tensor maps as they are."""
        from cuda.core import LaunchConfig, launch

        config = LaunchConfig(grid=grid, block=block, shmem_size=shared_bytes)
        launch(self.stream, config, kernel, *map(_argument, arguments))

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
