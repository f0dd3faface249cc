"""Tensor maps: how the tensor memory accelerator of compute capability 9.0 sees an array (cuTensorMapEncodeTiled)."""

from __future__ import annotations

from typing import Any

LINE_BYTES = 128
"""Bytes of a row that a box holds: what the 128-byte swizzle spans."""


def rows_of_bytes(array: Any, box_rows: int) -> Any:
    """Map of a cupy array [rows, pitch] of bytes, for boxes of ``box_rows`` (at most 256) by LINE_BYTES with the 128-byte
    swizzle; beyond the array boxes hold zeros. Passes to a launch as it is; it holds the array's address, not the array.

    Raises ValueError for an address or a pitch that is no multiple of 16 bytes.
    """
    from cuda.core import TensorMapDescriptorOptions
    from cuda.core._tensor_map import TensorMapL2Promotion, TensorMapSwizzle  # no public name has the values
    from cuda.core.utils import StridedMemoryView

    options = TensorMapDescriptorOptions(
        box_dim=(box_rows, LINE_BYTES),
        swizzle=TensorMapSwizzle.SWIZZLE_128B,
        l2_promotion=TensorMapL2Promotion.L2_256B,
    )
    view = StridedMemoryView.from_cuda_array_interface(array, stream_ptr=-1)  # all work is in the session's one stream
    return view.as_tensor_map(options=options)
