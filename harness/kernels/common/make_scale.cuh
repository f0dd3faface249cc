// A block's range -> its scale and zero point, as harness/numerics/scales.py and calibrate.py make them.
//
// The range includes 0, so that both ends are non-negative magnitudes, whose order is that of their bits. ROUND_UP 1: e8m0
// scales by the round-up rule, else by the floor rule.
#pragma once

#include "common/scales.cuh"

// Then the scale of a block of zeros is 1, else the least one that there is.
#define ZERO_HAS_A_CODE (ELEMENT != 1)

// Of a format: what a scale is the range divided by (largest code value, or number of code steps), the exponent that e8m0
// reserves, least and largest code.
struct Target {
    float steps;
    int exponent;
    float low, high;
};

struct Range {
    float above, below; // max(x, 0) and max(-x, 0); symmetric: above is of |x|, or of x where codes are unsigned

    __device__ __forceinline__ Range() : above(0.0f), below(0.0f) {}

    __device__ __forceinline__ void take(float x)
    {
#if ASYMMETRIC
        above = fmaxf(above, x);
        below = fmaxf(below, -x);
#elif UNSIGNED
        above = fmaxf(above, x);
#else
        above = fmaxf(above, fabsf(x));
#endif
    }
    template <int N> __device__ __forceinline__ void take(const float (&x)[N])
    {
#pragma unroll
        for (int i = 0; i < N; ++i) take(x[i]);
    }
    __device__ __forceinline__ void take(const Range &other)
    {
        above = fmaxf(above, other.above);
#if ASYMMETRIC
        below = fmaxf(below, other.below);
#endif
    }
    // That of the lane `distance` (a power of two) away is taken in.
    __device__ __forceinline__ void exchange(int distance)
    {
        above = fmaxf(above, __shfl_xor_sync(0xFFFFFFFFu, above, distance));
#if ASYMMETRIC
        below = fmaxf(below, __shfl_xor_sync(0xFFFFFFFFu, below, distance));
#endif
    }
};

struct Made {
    scale_t stored;
    float scale, zero;
};

__device__ __forceinline__ int exponent_of(float positive)
{
    const u32 bits = __float_as_uint(positive);
    return bits >> 23 ? static_cast<int>(bits >> 23) - 127 : -118 - __clz(bits); // of a subnormal 31 - clz - 149
}

// The f32 above the block scales of a tensor whose largest magnitude is `top`.
__device__ __forceinline__ float whole_scale(float top, float steps)
{
    return top > 0.0f ? fmaxf(__fdiv_rn(top, 448.0f * steps), 0x1p-126f) : 1.0f;
}

__device__ __forceinline__ Made make_scale(const Range &range, const Target &target, float whole)
{
    Made made;
#if ASYMMETRIC
    const float extent = __fadd_rn(range.above, range.below);
#else
    const float extent = range.above;
#endif
    const bool zero = extent == 0.0f;
#if SCALE == 3
    int exponent = exponent_of(extent);
#if ROUND_UP
    // ceil(log2(extent / steps)): one more than the difference of exponents where the mantissa is the larger.
    const u32 mantissa = 0x7FFFFFu;
    const float normal = __uint_as_float(__float_as_uint(extent) >> 23 ? __float_as_uint(extent) : __float_as_uint(extent * 0x1p64f));
    exponent += (__float_as_uint(normal) & mantissa) > (__float_as_uint(target.steps) & mantissa);
    exponent -= exponent_of(target.steps);
#else
    exponent -= target.exponent;
#endif
    made.stored = static_cast<u8>(min(max(exponent, -127), 127) + 127);
    if (zero) made.stored = ZERO_HAS_A_CODE ? 127 : 0;
    made.scale = __uint_as_float(made.stored ? static_cast<u32>(made.stored) << 23 : 0x00400000u);
#elif SCALE == 4
    const float wanted = fminf(fmaxf(__fdiv_rn(__fdiv_rn(extent, target.steps), whole), 0x1p-9f), 448.0f);
    // To e4m3: bits of f32 rounded to three bits of mantissa; subnormals in units of 2^-9.
    const u32 bits = __float_as_uint(wanted);
    const u32 rounded = bits + 0x7FFFFu + ((bits >> 20) & 1u);
    const u32 normal = (rounded >> 20) - (120u << 3);
    const u32 small = __float_as_uint(wanted + 0x1p14f) & 15u; // 2^14 has ulps of 2^-9
    made.stored = static_cast<u8>(wanted < 0x1p-6f ? small : normal);
    if (zero) made.stored = ZERO_HAS_A_CODE ? 0x38 : 1;
    made.scale = __uint_as_float(static_cast<u32>(made.stored) << 20) * __uint_as_float(247u << 23) * whole;
#else
#if ASYMMETRIC
    // The difference of two large f32 may not fit one, their scale does.
    const float quotient = extent <= 3.402823466e38f
        ? __fdiv_rn(extent, target.steps)
        : static_cast<float>((static_cast<double>(range.above) + static_cast<double>(range.below)) / static_cast<double>(target.steps));
#else
    const float quotient = __fdiv_rn(extent, target.steps);
#endif
#if SCALE == 0
    made.stored = made.scale = zero ? (ZERO_HAS_A_CODE ? 1.0f : 0x1p-126f) : fmaxf(quotient, 0x1p-126f);
#elif SCALE == 1
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(made.stored) : "f"(fminf(quotient, 65504.0f)));
    if (made.stored == 0) made.stored = 1;
    if (zero) made.stored = ZERO_HAS_A_CODE ? 0x3C00 : 1;
    asm("cvt.f32.f16 %0, %1;" : "=f"(made.scale) : "h"(made.stored));
#else
    const u32 bits = __float_as_uint(quotient);
    made.stored = static_cast<u16>(min((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16, 0x7F7Fu));
    if (made.stored < 0x80) made.stored = 0x80;
    if (zero) made.stored = ZERO_HAS_A_CODE ? 0x3F80 : 0x80;
    made.scale = __uint_as_float(static_cast<u32>(made.stored) << 16);
#endif
#endif
#if ASYMMETRIC
    const float offset = __fsub_rn(target.low, __fdiv_rn(-range.below, made.scale));
    made.zero = fminf(fmaxf(rintf(offset), target.low), target.high);
#else
    made.zero = 0.0f;
#endif
    return made;
}
