// How a tensor is walked through, vector by vector, and which scales a vector's elements have.
//
// WIDTH: neighbours a thread takes at once, UNROLL such loads in flight; WIDTH 0 where blocks or rows end anywhere.
// BACKWARD 1: the tensor's end comes first.
#pragma once

#include "common/affine.cuh"
#include "common/blocks.cuh"

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

#endif

// body(i) for every STEP-th element that is in no whole vector: all of them where WIDTH is 0, else those of the last, short
// vector, which one thread of the grid takes.
template <int STEP, typename Body> __device__ __forceinline__ void each_element(u64 count, Body body)
{
#if WIDTH
    if (blockIdx.x == 0 && threadIdx.x == 0)
        for (u64 i = count / WIDTH * WIDTH; i < count; i += STEP) body(i);
#else
    const u64 step = static_cast<u64>(gridDim.x) * THREADS * STEP;
    for (u64 i = (static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x) * STEP; i < count; i += step) body(i);
#endif
}

// The scales of a tensor's elements. Indices count vectors (elements where WIDTH is 0).
struct Lookup {
    Scales scales;
    Blocks blocks;
    float low, high;
#if LAYOUT == 0
    Affine single;
#endif

    __device__ __forceinline__ Lookup(const Scales &scales, const Blocks &blocks, float low = 0.0f, float high = 0.0f)
        : scales(scales), blocks(blocks), low(low), high(high)
    {
#if LAYOUT == 0
        single = Affine(scales, 0);
#endif
    }

    __device__ __forceinline__ Affine at(u32 index) const
    {
#if LAYOUT == 0
        return single;
#else
        return Affine(scales, blocks.of(index));
#endif
    }

    __device__ __forceinline__ Affine of_block(u32 block) const { return Affine(scales, block); }
    __device__ __forceinline__ Affine of_element(u64 i) const { return at(static_cast<u32>(i / (WIDTH ? WIDTH : 1))); }

    template <int N> __device__ __forceinline__ void encode(u32 vector, const float (&x)[N], u32 (&codes)[N]) const
    {
#if LAYOUT == 3
        const u32 column = blocks.of(vector) * N;
#pragma unroll
        for (int j = 0; j < N; ++j) codes[j] = Affine(scales, column + j).encode(x[j], low, high);
#else
        at(vector).encode(x, codes, low, high);
#endif
    }

    template <int N> __device__ __forceinline__ void round_trip(u32 vector, float (&x)[N]) const
    {
#if LAYOUT == 3
        const u32 column = blocks.of(vector) * N;
#pragma unroll
        for (int j = 0; j < N; ++j) x[j] = Affine(scales, column + j).round_trip(x[j], low, high);
#else
        at(vector).round_trip(x, low, high);
#endif
    }

    template <int N> __device__ __forceinline__ void decode(u32 vector, float (&values)[N]) const
    {
#if LAYOUT == 3
        const u32 column = blocks.of(vector) * N;
#pragma unroll
        for (int j = 0; j < N; ++j) values[j] = Affine(scales, column + j).decode(values[j]);
#else
        const Affine affine = at(vector);
#pragma unroll
        for (int j = 0; j < N; ++j) values[j] = affine.decode(values[j]);
#endif
    }
};
