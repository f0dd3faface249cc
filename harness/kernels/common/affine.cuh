// Value -> code -> value under a scale and a zero point, in f32 with IEEE division, ties to even:
// q = clamp(rint(x / s) + z, low, high) and x = (q - z) * s; formats that are no integers: the nearest code of x / s.
//
// low and high: least and largest code of integers, whole numbers within ±2^21; of floats high is the largest value.
#pragma once

#include "common/element.cuh"
#include "common/scales.cuh"

struct Affine {
    float scale, zero;

    __device__ __forceinline__ Affine() {}
    __device__ __forceinline__ Affine(const Scales &scales, u32 block) : scale(scales.of(block)), zero(scales.zero_of(block)) {}

    // The code's bits are the low ones.
    __device__ __forceinline__ u32 encode(float x, float low, float high) const
    {
        return encode_kept(kept(__fdiv_rn(x, scale), low, high), x);
    }

    template <int N>
    __device__ __forceinline__ void encode(const float (&x)[N], u32 (&codes)[N], float low, float high) const
    {
        float y[N];
        divide(x, y, low, high);
        encode_all(y, x, codes);
    }

    // What the code of x stands for.
    __device__ __forceinline__ float round_trip(float x, float low, float high) const
    {
        return round_kept(kept(__fdiv_rn(x, scale), low, high), x) * scale;
    }

    template <int N> __device__ __forceinline__ void round_trip(float (&x)[N], float low, float high) const
    {
        float y[N];
        divide(x, y, low, high);
#pragma unroll
        for (int i = 0; i < N; ++i) x[i] = round_kept(y[i], x[i]) * scale;
    }

    // Of a code's value at scale 1.
    __device__ __forceinline__ float decode(float value) const { return (value - zero) * scale; }

    // Quotients within what the codes reach, or one f32 beyond: codes are the same.
    template <int N>
    __device__ __forceinline__ void divide(const float (&x)[N], float (&y)[N], float low, float high) const
    {
#if SCALE == 3
        // A power of two has an exact reciprocal: the products are the quotients.
        const u32 bits = __float_as_uint(scale);
        const float inverse = bits - 0x00800000u < 0x7E000000u ? __uint_as_float(0x7F000000u - bits) : __frcp_rn(scale);
#pragma unroll
        for (int i = 0; i < N; ++i) y[i] = kept(x[i] * inverse, low, high);
#else
        // Of a binary code all that counts is whether a quotient is 0 or below, down to the least f32.
        if (ELEMENT != 1 && scale >= 0x1p-64f && scale <= 0x1p64f) {
            const float inverse = reciprocal(scale);
#pragma unroll
            for (int i = 0; i < N; ++i) y[i] = quotient(x[i], inverse, low, high);
        } else {
#pragma unroll
            for (int i = 0; i < N; ++i) y[i] = kept(__fdiv_rn(x[i], scale), low, high);
        }
#endif
    }

private:
    // Within what the codes reach. Clamping before rounding gives the same code: the limits are codes themselves.
    __device__ __forceinline__ float kept(float y, float low, float high) const
    {
#if ELEMENT == 0
        return fminf(fmaxf(y, low - zero), high - zero);
#elif ELEMENT == 1
        return y;
#else
        return fminf(fmaxf(y, -high), high);
#endif
    }

    // x / scale by a reciprocal, corrected twice: the first correction makes it faithful, the second exact (Markstein, IBM J.
    // Res. Dev. 34-1, 1990; it is how division is done, less its care for the ends of the range). Scales within 2^±64 keep
    // remainders of quotients above 2^-20 from underflow; x, clamped to what the codes reach, keeps quotients from overflow.
    __device__ __forceinline__ float quotient(float x, float inverse, float low, float high) const
    {
#if ELEMENT == 0
        const float inside = fminf(fmaxf(x, (low - zero) * scale), (high - zero) * scale);
#else
        const float inside = fminf(fmaxf(x, -high * scale), high * scale);
#endif
        const float first = inside * inverse;
        const float second = fmaf(fmaf(-first, scale, inside), inverse, first);
        return fmaf(fmaf(-second, scale, inside), inverse, second);
    }

    // 1 / s for s within 2^±64, to the last bit or nearly so.
    __device__ __forceinline__ static float reciprocal(float s)
    {
        float rough;
        asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(rough) : "f"(s));
        return fmaf(fmaf(-s, rough, 1.0f), rough, rough);
    }

#if ELEMENT == 0
    // Adding 1.5 * 2^23 leaves the nearest whole number, ties to even, in the low bits.
    __device__ __forceinline__ u32 encode_kept(float y, float) const { return __float_as_uint((y + 12582912.0f) + zero); }
    __device__ __forceinline__ float round_kept(float y, float) const { return rintf(y); }
#endif

    template <int N>
    __device__ __forceinline__ void encode_all(const float (&y)[N], const float (&x)[N], u32 (&codes)[N]) const
    {
#if NATIVE
#pragma unroll
        for (int i = 0; i < N; i += 2) {
            const u32 pair = encode_pair(y[i], x[i], y[i + 1], x[i + 1]);
            codes[i] = pair & 0xFFu;
            codes[i + 1] = pair >> 8;
        }
#else
#pragma unroll
        for (int i = 0; i < N; ++i) codes[i] = encode_kept(y[i], x[i]);
#endif
    }
};
