// q = clamp(rint(x / s) + z, low, high) and x = (q - z) * s, in f32 with IEEE division, ties to even.
// ASYMMETRIC: 1 where blocks have zero points. low and high are whole numbers within ±2^21.
#pragma once

struct Affine {
    float scale, zero;

    __device__ __forceinline__ Affine() {}
    __device__ __forceinline__ Affine(const float *scales, const float *zeros, u32 block)
    {
        scale = __ldg(scales + block);
#if ASYMMETRIC
        zero = __ldg(zeros + block);
#else
        zero = 0.0f;
#endif
    }

    // The code's low bits, in two's complement. Clamping before rounding gives the same code, since the limits are whole;
    // adding 1.5 * 2^23 leaves the nearest whole number, ties to even, in the low bits.
    __device__ __forceinline__ u32 encode(float x, float low, float high) const
    {
        const float scaled = __fdiv_rn(x, scale);
        const float kept = fminf(fmaxf(scaled, low - zero), high - zero);
        return __float_as_uint((kept + 12582912.0f) + zero);
    }

    __device__ __forceinline__ float decode(float code) const { return (code - zero) * scale; }
};
