// Value -> code -> value under a scale and a zero point, in f32 with IEEE division, ties to even:
// q = clamp(rint(x / s) + z, low, high) and x = (q - z) * s; formats that are no integers: the nearest code of x / s.
//
// low and high: least and largest code of integers, whole numbers within ±2^21; of floats high is the largest value.
#pragma once

#include "common/element.cuh"
#include "common/quotient.cuh"
#include "common/scales.cuh"

struct Affine {
    float scale, zero;
    Divisor divisor;

    __device__ __forceinline__ Affine() {}
    __device__ __forceinline__ Affine(float scale, float zero) : scale(scale), zero(zero), divisor(scale) {}
    __device__ __forceinline__ Affine(const Scales &scales, u32 block) : Affine(scales.of(block), scales.zero_of(block)) {}

    // Raw codes: what pack_codes takes.
    template <int N>
    __device__ __forceinline__ void encode(const float (&x)[N], u32 (&codes)[N], float low, float high) const
    {
        float y[N];
        quotients<!SATURATES>(x, y, low, high);
#if NATIVE
#pragma unroll
        for (int i = 0; i + 1 < N; i += 2) {
            const u32 pair = encode_pair(signed_as(y[i], x[i]), signed_as(y[i + 1], x[i + 1]));
            codes[i] = pair & 0xFFu;
            codes[i + 1] = pair >> 8;
        }
        if (N % 2) codes[N - 1] = encode_pair(signed_as(y[N - 1], x[N - 1]), 0.0f) & 0xFFu;
#else
#pragma unroll
        for (int i = 0; i < N; ++i) codes[i] = raw(y[i], x[i], low);
#endif
    }
    __device__ __forceinline__ u32 encode(float x, float low, float high) const
    {
        const float x1[1] = {x};
        u32 code[1];
        encode(x1, code, low, high);
        return code[0];
    }

    // What the code of x stands for.
    template <int N> __device__ __forceinline__ void round_trip(float (&x)[N], float low, float high) const
    {
        float y[N];
        quotients<ELEMENT != 3>(x, y, low, high); // NF4's look-up takes any
#pragma unroll
        for (int i = 0; i < N; ++i) x[i] = round_kept(y[i], x[i]) * scale;
    }
    __device__ __forceinline__ float round_trip(float x, float low, float high) const
    {
        float x1[1] = {x};
        round_trip(x1, low, high);
        return x1[0];
    }

    // Of a code's value at scale 1.
    __device__ __forceinline__ float decode(float value) const { return (value - zero) * scale; }

    // Quotients within what the codes reach, or one f32 beyond: codes are the same.
    template <int N>
    __device__ __forceinline__ void divide(const float (&x)[N], float (&y)[N], float low, float high) const
    {
        quotients<true>(x, y, low, high);
    }

private:
    template <bool KEPT, int N>
    __device__ __forceinline__ void quotients(const float (&x)[N], float (&y)[N], float low, float high) const
    {
        if (divisor.near) {
            const float least = (ELEMENT == 0 ? low - zero : -high) * scale, most = (ELEMENT == 0 ? high - zero : high) * scale;
#pragma unroll
            for (int i = 0; i < N; ++i) {
                y[i] = divisor.of(x[i], least, most);
                if (KEPT && QUOTIENT_SIGNED) y[i] = kept(y[i], low, high); // the others are clamped before
            }
        } else {
#pragma unroll
            for (int i = 0; i < N; ++i) y[i] = kept(__fdiv_rn(x[i], scale), low, high);
        }
    }

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

    __device__ __forceinline__ static float signed_as(float y, float x) { return QUOTIENT_SIGNED ? y : copysignf(y, x); }

    __device__ __forceinline__ u32 raw(float y, float x, float low) const
    {
#if ELEMENT == 0
        return __float_as_uint((y + WHOLE) + (zero + code_bias(low)));
#else
        return encode_kept(y, x);
#endif
    }
};
