// Which scales a vector's elements have. WIDTH as in common/walk.cuh.
#pragma once

#include "common/affine.cuh"
#include "common/blocks.cuh"

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
    __device__ __forceinline__ Affine of_element(u64 i) const { return at(static_cast<u32>(i / STEP)); }

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
