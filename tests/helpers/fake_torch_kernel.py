"""A peer's function on tensors of the host, in place of ``TorchKernel``: the same operands, types and outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import POISON, Output
from harness.device import Device


class HostTorchKernel:
    """Takes what ``TorchKernel`` takes. Outputs are poisoned: what is left unwritten shows."""

    def __init__(
        self,
        device: Device,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Mapping[str, Output],
        function: Callable[..., None],
        types: Mapping[str, str],
        read: Callable[[Callable[[str], NDArray[Any]]], Any],
        *,
        compiled: bool,
    ) -> None:
        poisoned = {name: np.empty(made.shape, made.dtype) for name, made in outputs.items()}
        for array in poisoned.values():
            array.view(np.uint8).fill(POISON)
        self._arrays = {**{name: np.array(array) for name, array in inputs.items()}, **poisoned}
        self._inputs = dict(inputs)
        self._function, self._types, self._read = function, dict(types), read

    def launch(self, backend: str = "") -> None:
        """``backend``: of torch.compile, as one graph; none: operator by operator."""
        import torch

        tensors = {name: torch.from_numpy(array) for name, array in self._arrays.items()}
        typed = {
            name: tensor.view(getattr(torch, self._types[name])) if name in self._types else tensor
            for name, tensor in tensors.items()
        }
        call: Any = self._function
        if backend:
            torch._dynamo.reset()
            call = torch.compile(self._function, fullgraph=True, dynamic=False, backend=backend)
        with torch.no_grad():
            call(**typed)
        for name, given in self._inputs.items():
            assert np.array_equal(self._arrays[name].view(np.uint8), given.view(np.uint8)), f"{name} was changed"

    def output(self) -> Any:
        """What the op's judge takes."""
        return self._read(lambda name: self._arrays[name].copy())
