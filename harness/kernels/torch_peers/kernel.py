"""PyTorch on the harness's operands: a peer is a function of tensors that writes its outputs in place, as a user would spell
the operation; ``torch.compile`` fuses it.

It is launched on the harness's stream and timed like any kernel, in graphs too, so that no peer is charged for its Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.device import Device

Function = Callable[..., None]
_OPTIONS = {"eager_numerics.division_rounding": True}
"""Else compiled divisions are approximate, and a code in some millions is another than eager PyTorch's."""


class TorchKernel(CudaKernel):
    """``function`` of all operands and outputs by name, ``compiled`` or not. ``types`` names torch's dtype of arrays whose
    type NumPy lacks (bf16, fp8: arrays of their bits). ``read`` makes the family's output of the arrays (``array``)."""

    def __init__(
        self,
        device: Device,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Mapping[str, Output],
        function: Function,
        types: Mapping[str, str],
        read: Callable[[Callable[[str], NDArray[Any]]], Any],
        *,
        compiled: bool,
    ) -> None:
        import torch

        super().__init__(device, inputs, outputs)
        self._types, self._read = dict(types), read
        self._stream = torch.cuda.ExternalStream(int(self.session.stream.handle))
        self._call: Any = function
        if compiled:
            torch._dynamo.reset()  # else the ninth problem of the same function is refused
            self._call = torch.compile(function, fullgraph=True, dynamic=False, options=_OPTIONS)
        self._tensors = [self._as_tensors(self._sets[0])]

    def add_set(self) -> None:
        super().add_set()
        # Not at its first launch: handing an array over waits for its stream, which no graph may.
        self._tensors.append(self._as_tensors(self._sets[-1]))

    def launch_on(self, arrays: Arrays) -> None:
        import torch

        with torch.cuda.stream(self._stream), torch.no_grad():
            self._call(**self._tensors[self._current])

    def output(self) -> Any:
        return self._read(self.array)

    def _as_tensors(self, arrays: Arrays) -> dict[str, Any]:
        return {name: self._tensor(name, array) for name, array in arrays.items()}

    def _tensor(self, name: str, array: Any) -> Any:
        import torch

        tensor = torch.from_dlpack(array)
        return tensor.view(getattr(torch, self._types[name])) if name in self._types else tensor


def handed_over(tensor: Any) -> tuple[Any, str]:
    """A torch tensor as an array of bytes (CuPy lacks some of torch's types), and what ``types`` calls its type."""
    import cupy
    import torch

    stored = tensor.contiguous().reshape(-1).view(torch.uint8).reshape(*tensor.shape[:-1], -1)
    return cupy.from_dlpack(stored), str(tensor.dtype).removeprefix("torch.")


def on_device(array: NDArray[Any], device: Device, dtype: Any = None) -> Any:
    """An array as a torch tensor on the device, in torch's ``dtype`` where one is named."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(array)).to(device.name, dtype)
