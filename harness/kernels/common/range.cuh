// Ranges of more than a thread sees: of runs that are read once and kept in the cache for a second pass, and published by
// many. Both ends of a range are non-negative, and f32 of that kind are ordered as their bits are: integer atomics find the
// largest, whatever their order.
#pragma once

#include "common/make_scale.cuh"

#define IN_FLIGHT 4

__device__ __forceinline__ void take_vector(Range &range, const value_t *x, u64 vector)
{
#if WIDTH
    Packet<WIDTH * sizeof(value_t)> packet;
    packet.load(x + vector * WIDTH);
    Values<WIDTH> values;
    values.unpack(packet);
    range.take(values.at);
#else
    range.take(to_float(x[vector]));
#endif
}

// Every step-th vector from `at` on.
__device__ __forceinline__ void take_vectors(Range &range, const value_t *x, u64 at, u64 end, u64 step)
{
#if WIDTH
    for (; at + (IN_FLIGHT - 1) * step < end; at += IN_FLIGHT * step) {
        Packet<WIDTH * sizeof(value_t)> packets[IN_FLIGHT];
#pragma unroll
        for (int i = 0; i < IN_FLIGHT; ++i) packets[i].load(x + (at + i * step) * WIDTH);
#pragma unroll
        for (int i = 0; i < IN_FLIGHT; ++i) {
            Values<WIDTH> values;
            values.unpack(packets[i]);
            range.take(values.at);
        }
    }
#endif
    for (; at < end; at += step) take_vector(range, x, at);
}

// Most are no larger than what is there: looking first saves atomics.
__device__ __forceinline__ void publish(const Range &range, u32 *keys, u32 block)
{
    if (__float_as_uint(range.above) > keys[2 * block]) atomicMax(keys + 2 * block, __float_as_uint(range.above));
#if ASYMMETRIC
    if (__float_as_uint(range.below) > keys[2 * block + 1]) atomicMax(keys + 2 * block + 1, __float_as_uint(range.below));
#endif
}

__device__ __forceinline__ void publish_warp(Range &range, u32 *keys, u32 block)
{
#pragma unroll
    for (int distance = 16; distance; distance /= 2) range.exchange(distance);
    if (threadIdx.x % 32 == 0) publish(range, keys, block);
}
