"""Moving averages of ranges: against a loop as it reads, PyTorch's observers, and what holds for any tensor."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from naive_blocks import block_ids
from numpy.typing import NDArray

from harness.numerics.calibrate import QuantParams, calibrate
from harness.numerics.moving_average import MovingAverage, batch_elements, weight_of
from harness.numerics.scheme import OperandScheme

Float32 = NDArray[np.float32]
LARGEST = np.finfo(np.float32).max


def _params(x: Float32, scheme: OperandScheme, channel_axis: int = 0) -> QuantParams:
    return calibrate(x, scheme, scheme.blocks.tiling(x.shape, channel_axis))


def _normal(*shape: int, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _loop(block: Float32, size: int, weight: float) -> tuple[np.float32, np.float32]:
    """Element by element, each operation rounded to f32 by hand."""
    ends: list[tuple[np.float32, np.float32]] = []
    for start in range(0, len(block), size):
        batch = [np.float32(value) for value in block[start : start + size]]
        ends.append((min(batch), max(batch)))
    low, high = ends[0]
    for batch_low, batch_high in ends[1:]:
        low = np.float32(low + np.float32(np.float32(weight) * np.float32(batch_low - low)))
        high = np.float32(high + np.float32(np.float32(weight) * np.float32(batch_high - high)))
    return low, high


@pytest.mark.parametrize(("weight", "batches"), [("0.01", 64), ("0.25", 3), ("1", 5), (".5", 1), ("0.125", 1000)])
@pytest.mark.parametrize(
    ("granularity", "shape", "axis"),
    [
        ("per_tensor", (6, 13), 0),
        ("per_channel", (6, 13), 0),
        ("per_channel", (5, 3, 4), 1),
        ("per_group:5", (6, 13), 0),
        ("per_block:2x4", (5, 13), 0),
    ],
)
def test_as_the_loop_reads(granularity: str, shape: tuple[int, ...], axis: int, weight: str, batches: int) -> None:
    x = _normal(*shape) + np.float32(0.5)
    symmetric = OperandScheme("int8", granularity, calibration=f"ema_minmax:{weight},{batches}")
    affine = OperandScheme("uint8", granularity, False, symmetric.calibration)
    tiling = symmetric.blocks.tiling(x.shape, axis)
    ids = block_ids(x.shape, granularity, axis)
    largest = int(np.bincount(ids.ravel()).max())
    found = _params(x, affine, axis)
    assert found.zero_point is not None
    grids = (_params(x, symmetric, axis).scale, found.scale, found.zero_point)
    scales = [np.broadcast_to(tiling.expand(grid), x.shape) for grid in grids]
    for block in range(ids.max() + 1):
        low, high = _loop(x[ids == block], -(-largest // batches), float(weight))
        scale = (max(high, np.float32(0)) - min(low, np.float32(0))) / np.float32(255)
        wanted = max(high, -low) / np.float32(127), scale, np.rint(-min(low, np.float32(0)) / scale)
        for grid, value in zip(scales, wanted, strict=True):
            assert set(grid[ids == block]) == {value}


def test_one_batch_is_minmax() -> None:
    x = _normal(4, 50)
    for granularity in ("per_tensor", "per_channel", "per_group:7"):
        for symmetric in (True, False):
            plain = _params(x, OperandScheme("int8", granularity, symmetric))
            moving = _params(x, OperandScheme("int8", granularity, symmetric, "ema_minmax:0.3,1"))
            assert np.array_equal(plain.scale, moving.scale)


def test_a_weight_of_one_half_by_hand() -> None:
    x = np.array([-1, 1, -3, 5, -7, 1], np.float32)
    average = MovingAverage(weight_of(Fraction(1, 2)), 2)
    low, high = average.ranges(x[None])
    assert (low.tolist(), high.tolist()) == ([-4.5], [2.0])


def test_batches_that_hold_no_zero_are_averaged_as_they_are() -> None:
    """The range is made to include 0 at the end: clamping each batch's would give 0.5 for the first of these."""
    x = np.array([1, 2, -1, 2], np.float32)
    affine = _params(x, OperandScheme("uint8", symmetric=False, calibration="ema_minmax:0.5,2"))
    assert affine.scale.tolist() == [np.float32(2) / np.float32(255)]
    assert affine.zero_point is not None
    assert affine.zero_point.tolist() == [0]


def test_unsigned_symmetric_averages_what_is_coded() -> None:
    x = np.array([4, -1, -8, -2], np.float32)
    params = _params(x, OperandScheme("uint8", calibration="ema_minmax:0.5,2"))
    assert params.scale.tolist() == [np.float32(2) / np.float32(255)]


def test_images_are_the_batches_of_a_tensor_of_images() -> None:
    x = _normal(8, 3, 5, 5)
    scheme = OperandScheme("int8", "per_channel", calibration="ema_minmax:0.2,8")
    assert batch_elements(scheme.blocks.tiling(x.shape, 1), 8) == 25
    low, high = x[0].min(axis=(1, 2)), x[0].max(axis=(1, 2))
    for image in x[1:]:
        low = low + np.float32(0.2) * (image.min(axis=(1, 2)) - low)
        high = high + np.float32(0.2) * (image.max(axis=(1, 2)) - high)
    assert np.array_equal(_params(x, scheme, 1).scale.ravel(), np.maximum(high, -low) / np.float32(127))


def test_a_difference_beyond_f32_does_not_make_the_average_infinite() -> None:
    x = np.array([LARGEST, -LARGEST, LARGEST, 1], np.float32)
    low, high = MovingAverage(np.float32(0.25), 1).ranges(x[None])
    assert np.array_equal(low, high)
    assert low[0] == pytest.approx(0.25 + 0.75 * (0.25 + 0.75 * 0.5) * float(LARGEST), rel=1e-6)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.floats(-1e6, 1e6, width=32)
    ),
    st.integers(1, 12),
    st.floats(2.0**-10, 1, width=32),
)
def test_within_the_batches_ranges_and_of_any_order_within_a_batch(x: Float32, batch: int, weight: float) -> None:
    average = MovingAverage(np.float32(weight), batch)
    low, high = average.ranges(x)
    spans = [x[:, start : start + batch] for start in range(0, x.shape[1], batch)]
    # Rounding may pass the ends by a few units in the last place of the largest value.
    slack = np.spacing(np.abs(x).max(axis=1)) * 4
    for found, ends in ((low, [part.min(axis=1) for part in spans]), (high, [part.max(axis=1) for part in spans])):
        assert (found >= np.min(ends, axis=0) - slack).all()
        assert (found <= np.max(ends, axis=0) + slack).all()
    turned = np.concatenate([part[:, ::-1] for part in spans], axis=1)
    assert all(np.array_equal(*pair) for pair in zip(average.ranges(turned), (low, high), strict=True))


def test_the_more_weight_the_nearer_the_last_batch() -> None:
    x = np.arange(1, 65, dtype=np.float32)[None]
    highs = [MovingAverage(np.float32(weight), 4).ranges(x)[1][0] for weight in (0.01, 0.1, 0.5, 0.9, 1.0)]
    assert all(less < more for less, more in pairwise(highs))
    assert highs[-1] == 64


@pytest.mark.parametrize("weight", [0.01, 0.3])
def test_pytorch_observers_say_the_same(weight: float) -> None:
    torch = pytest.importorskip("torch")
    from torch.ao.quantization.observer import MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver

    x = _normal(16, 6, 9) * np.float32(3) + np.float32(1)
    whole = MovingAverageMinMaxObserver(averaging_constant=weight)
    channels = MovingAveragePerChannelMinMaxObserver(averaging_constant=weight, ch_axis=0)
    for batch in x:
        whole(torch.from_numpy(batch))
        channels(torch.from_numpy(batch))
    average = MovingAverage(weight_of(Fraction(str(weight))), 54)
    low, high = average.ranges(x.reshape(1, -1))
    assert (low[0], high[0]) == (whole.min_val.item(), whole.max_val.item())
    rows = np.ascontiguousarray(x.transpose(1, 0, 2)).reshape(6, -1)
    low, high = MovingAverage(average.weight, 9).ranges(rows)
    assert np.array_equal(low, channels.min_val.numpy())
    assert np.array_equal(high, channels.max_val.numpy())
