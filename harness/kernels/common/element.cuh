// Element formats: what a code of BITS bits stands for at scale 1, and the code nearest to a value.
// begin_elements() comes first in every kernel, from all threads.
//
// ELEMENT: 0 integers of SIGNED or unsigned codes, ternary among them (two bits, two's complement), 1 binary (bit 1 is +1),
// 2 floats of a sign, EXPONENT and MANTISSA bits, 3 NF4. Everything is as harness/numerics/formats.py says: nearest, ties to
// the even code, saturating; what rounds to zero keeps its sign.
//
// Sources: OCP 8-bit Floating Point Specification 1.0; OCP Microscaling Formats 1.0; Dettmers et al., arXiv 2305.14314, E.
#pragma once

// encode_kept(y, x): the code of the quotient y of x, which lies within what codes reach, or one f32 beyond; round_kept what it
// stands for at scale 1; element_value what a code stands for (bits above its own may be set).

#if ELEMENT == 2 && BITS == 8 && __CUDA_ARCH__ >= 890
#define NATIVE 1
#else
#define NATIVE 0
#endif

#if ELEMENT == 2

#define BIAS ((1 << (EXPONENT - 1)) - 1)
#define FLOAT_SIGN (1u << (EXPONENT + MANTISSA))

// What is added to a magnitude of at most the largest value: the sum's low bits count units of the magnitude's binade, rounded
// to even.
__device__ __forceinline__ u32 binade_of(float magnitude) { return max(__float_as_uint(magnitude) >> 23, 128u - BIAS); }
__device__ __forceinline__ float rounder(u32 binade) { return __uint_as_float((binade + (23 - MANTISSA)) << 23); }

// The code of y, with the sign of x: units counted on from the binade's first code.
__device__ __forceinline__ u32 encode_kept(float y, float x)
{
    const float magnitude = fabsf(y);
    const u32 binade = binade_of(magnitude);
    const u32 units = __float_as_uint(magnitude + rounder(binade)) & 0x7FFFFFu;
    const u32 code = units + ((binade - (128u - BIAS)) << MANTISSA);
    return code | (__float_as_uint(x) >> 31) * FLOAT_SIGN;
}

__device__ __forceinline__ float round_kept(float y, float x)
{
    const float magnitude = fabsf(y), large = rounder(binade_of(magnitude));
    return copysignf(__fsub_rn(__fadd_rn(magnitude, large), large), x);
}

#if NATIVE
// Two fp8 codes by one instruction, the first in the low byte.
__device__ __forceinline__ u32 encode_pair(float y0, float x0, float y1, float x1)
{
    u16 pair;
#if EXPONENT == 4
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(copysignf(y1, x1)), "f"(copysignf(y0, x0)));
#else
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(copysignf(y1, x1)), "f"(copysignf(y0, x0)));
#endif
    return pair;
}
#endif

__device__ __forceinline__ float element_value(u32 code)
{
    // Exponent and mantissa in place of an f32's are off by a power of two, subnormal ones too.
    const float small = __uint_as_float((code & (FLOAT_SIGN - 1)) << (23 - MANTISSA));
    const float value = small * __uint_as_float((254u - BIAS) << 23);
    return __uint_as_float(__float_as_uint(value) | (code & FLOAT_SIGN) << (31 - EXPONENT - MANTISSA));
}

#elif ELEMENT == 3

// Tables in shared memory: those of 32 words have a bank for each, so that no two lanes wait for each other.
struct Nf4 {
    float values[16];
    // [-1, 1] in cells around the multiples of 1/16, in which at most one threshold lies: the code of what is below it (as
    // its index among the thresholds), and the threshold, infinite where there is none.
    float thresholds[64];
    u32 codes[64];
};

__device__ __forceinline__ Nf4 &nf4()
{
    __shared__ Nf4 tables;
    return tables;
}

__device__ __forceinline__ u32 nf4_cell(float y) { return __float_as_uint(fmaf(y, 16.0f, 12582912.0f + 16.0f)) & 63u; }

__device__ __forceinline__ void begin_elements()
{
    const float values[16] = {
        -1.f, -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f, -0.18477343f, -0.091050036f, 0.f,
        0.0795803f, 0.1609302f, 0.2461123f, 0.33791524f, 0.44070983f, 0.562617f, 0.72295684f, 1.f};
    // The smallest f32 that round to codes 1 to 15 (ElementFormat.thresholds).
    const float thresholds[15] = {
        -0.8480964f, -0.6106329f, -0.45999524f, -0.33967942f, -0.2346074f, -0.13791172f, -0.045525014f, 0.03979015f,
        0.120255254f, 0.20352125f, 0.2920138f, 0.38931254f, 0.50166345f, 0.6427869f, 0.86147845f};
    for (u32 cell = threadIdx.x; cell < 64; cell += blockDim.x) {
        u32 code = 0;
        float threshold = __uint_as_float(0x7F800000u);
#pragma unroll
        for (int i = 0; i < 15; ++i) {
            if (nf4_cell(thresholds[i]) < cell) ++code;
            if (nf4_cell(thresholds[i]) == cell) threshold = thresholds[i];
        }
        nf4().thresholds[cell] = threshold;
        nf4().codes[cell] = code;
#pragma unroll
        for (int i = 0; i < 16; ++i)
            if (cell == i) nf4().values[i] = values[i];
    }
    __syncthreads();
}

__device__ __forceinline__ u32 encode_kept(float y, float)
{
    const u32 cell = nf4_cell(y);
    return nf4().codes[cell] + (y >= nf4().thresholds[cell]);
}

__device__ __forceinline__ float element_value(u32 code) { return nf4().values[code & 15]; }
__device__ __forceinline__ float round_kept(float y, float x) { return element_value(encode_kept(y, x)); }

#elif ELEMENT == 1

__device__ __forceinline__ u32 encode_kept(float y, float) { return y >= 0.0f; }
__device__ __forceinline__ float round_kept(float y, float) { return y >= 0.0f ? 1.0f : -1.0f; }

__device__ __forceinline__ float element_value(u32 code) { return __uint_as_float(0x3F800000u | (~code & 1u) << 31); }

#else

__device__ __forceinline__ float element_value(u32 code)
{
#if SIGNED
    return static_cast<float>(static_cast<int>(code << (32 - BITS)) >> (32 - BITS));
#else
    return static_cast<float>(code & ((1u << BITS) - 1));
#endif
}

#endif

#if ELEMENT != 3
__device__ __forceinline__ void begin_elements() {}
#endif
