// How a tensor is walked through, vector by vector.
//
// WIDTH: neighbours a thread takes at once, UNROLL such loads in flight; WIDTH 0 where blocks or rows end anywhere.
// BACKWARD 1: the tensor's end comes first.
#pragma once

#include "common/lookup.cuh"
#include "common/values.cuh"

#ifndef BACKWARD
#define BACKWARD 0
#endif

#if WIDTH
// body(vector, packet) for each whole vector of this thread, whose elements have VECTOR_BITS in memory (of less than a byte the
// whole byte is loaded); all packets are loaded before the first is used.
template <int VECTOR_BITS, typename Body> __device__ __forceinline__ void each_vector(const void *from, u64 count, Body body)
{
    const u32 whole = static_cast<u32>(count / WIDTH);
    const u32 block = BACKWARD ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
    const u32 first = block * (THREADS * UNROLL) + threadIdx.x;
    Packet<(VECTOR_BITS + 7) / 8> packets[UNROLL];
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const u32 vector = first + i * THREADS;
        if (vector < whole) packets[i].load(static_cast<const u8 *>(from) + static_cast<u64>(vector) * VECTOR_BITS / 8);
    }
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const u32 vector = first + i * THREADS;
        if (vector < whole) body(vector, packets[i]);
    }
}

// body(vector, values) for each whole vector of this thread.
template <typename Body> __device__ __forceinline__ void each_values(const value_t *from, u64 count, Body body)
{
    each_vector<8 * WIDTH * sizeof(value_t)>(from, count, [&](u32 vector, const Packet<WIDTH * sizeof(value_t)> &packet) {
        Values<WIDTH> values;
        values.unpack(packet);
        body(vector, values);
    });
}

#endif

// body(i) for every EVERY-th element that is in no whole vector: all of them where WIDTH is 0, else those of the last, short
// vector, which one thread of the grid takes.
template <int EVERY, typename Body> __device__ __forceinline__ void each_element(u64 count, Body body)
{
#if WIDTH
    if (blockIdx.x == 0 && threadIdx.x == 0)
        for (u64 i = count / WIDTH * WIDTH; i < count; i += EVERY) body(i);
#else
    const u64 step = static_cast<u64>(gridDim.x) * THREADS * EVERY;
    for (u64 i = (static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x) * EVERY; i < count; i += step) body(i);
#endif
}
