"""The row ``auto`` of an op."""

from __future__ import annotations

from harness.device import Device
from harness.kernels.spec import KernelSpec, Request


def chooser(op: str) -> KernelSpec:
    """A case of it is run by the fastest of the op's kernels on the device's backend that conform."""

    def supports(request: Request, device: Device) -> str | None:
        from harness.tuning.candidates import candidates  # it knows the table that this row stands in

        return None if candidates(op, request, device) else f"no kernel of the {device.backend} backend takes it"

    doc = "the fastest conforming kernel in its fastest configuration, as measured on this device"
    return KernelSpec(
        "auto", op, None, "kernel", "harness.tuning.choose:make", doc, supports=supports, chooses=True, epilogue=True
    )
