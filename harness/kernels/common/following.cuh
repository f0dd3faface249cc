// What follows the scaled sums of a product, in f32 and in this order (harness/numerics/epilogue.py): BIAS 1: a bias, one value a
// column; FUNCTION: 0 none, 1 relu, 2 silu, 3 gelu (by erf); OUTPUT_S8 1: codes of 8 bits, y / scale to the nearest, ties to
// even, saturated.
#pragma once

#include "common/values.cuh"

#ifndef BIAS
#define BIAS 0
#define FUNCTION 0
#define OUTPUT_S8 0
#endif

#if OUTPUT_S8
typedef s8 output_t;
#else
typedef value_t output_t;
#endif

__device__ __forceinline__ float follow(float x)
{
#if FUNCTION == 1
    return x < 0.0f ? 0.0f : x; // NaN stays
#elif FUNCTION == 2
    return __fdiv_rn(x, 1.0f + expf(-x));
#elif FUNCTION == 3
    return 0.5f * x * (1.0f + erff(x * 0.70710678f));
#else
    return x;
#endif
}

// Nearest, ties to even, saturated; NaN becomes 0 (PTX ISA, cvt).
__device__ __forceinline__ u32 nearest_code(float quotient)
{
    int code;
    asm("cvt.rni.sat.s8.f32 %0, %1;" : "=r"(code) : "f"(quotient));
    return static_cast<u32>(code) & 0xFF;
}

// The code of y / scale. The product with the reciprocal is within 2^-22 of the quotient, relatively: of one below 256 it gives another
// code only within 2^-14 of a tie. There the division is made, and where the product is not finite.
__device__ __forceinline__ u32 code_of(float y, float scale)
{
    const float about = y * __frcp_rn(scale); // of the scale, which all share: made once
    const float off = fabsf(about - rintf(about));
    return nearest_code(off <= 0.5f - 1.0f / 8192 ? about : __fdiv_rn(y, scale));
}

// Eight neighbouring outputs; `scale` is that of their codes.
__device__ __forceinline__ void store_eight(output_t *to, const Values<8> &made, float scale)
{
#if OUTPUT_S8
    u32 words[2] = {};
#pragma unroll
    for (int i = 0; i < 8; ++i) words[i / 4] |= code_of(made.at[i], scale) << (i % 4 * 8);
    *reinterpret_cast<uint2 *>(to) = make_uint2(words[0], words[1]);
#else
    made.pack().store(to);
#endif
}

__device__ __forceinline__ output_t output_of(float y, float scale)
{
#if OUTPUT_S8
    return static_cast<s8>(code_of(y, scale));
#else
    return from_float(y);
#endif
}
