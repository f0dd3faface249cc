// FP6 by the hardware's conversion of pairs to FP8. Both formats begin with subnormal numbers and count on from there: with as
// many bits of mantissa, and quotients moved to where FP8's subnormal numbers are, the low five bits are FP6's code.
#pragma once

#include "common/affine.cuh"
#include "common/codes.cuh"

#if EXPONENT == 2
#define FP8_PAIR "e4m3x2"
#define QUOTIENT_UNIT 0x1p-6f  // least normal numbers: 1 and 2^-6
#else
#define FP8_PAIR "e5m2x2"
#define QUOTIENT_UNIT 0x1p-12f // 2^-2 and 2^-14
#endif

__device__ __forceinline__ u32 fp8_pair(float first, float second)
{
    u16 pair;
    asm("cvt.rn.satfinite." FP8_PAIR ".f32 %0, %1, %2;" : "=h"(pair) : "f"(second), "f"(first));
    return pair;
}

// Four FP8 codes -> four FP6 codes, one after the other. INSIDE: none is above FP6's largest.
template <bool INSIDE> __device__ __forceinline__ u32 join_fp8(u32 four)
{
    u32 full = 0; // 31 in place of what is above
    if (!INSIDE) {
        const u32 above = (four | four >> 1) & 0x20202020u;
        full = above - (above >> 5);
    }
    const u32 codes = ((four | full) & 0x1F1F1F1Fu) | (four >> 2 & 0x20202020u);
    return __dp4a(codes, 0x00004001u, 0u) + (__dp4a(codes, 0x40010000u, 0u) << 12);
}

// INSIDE: no quotient is nearer to what is above FP6's largest value.
template <bool INSIDE>
__device__ __forceinline__ Packet<WIDTH * BITS / 8>
encode_quotients(const float (&y)[WIDTH], const Packet<WIDTH * sizeof(value_t)> &)
{
    u32 fours[WIDTH / 4];
#pragma unroll
    for (int i = 0; i < WIDTH / 4; ++i)
        fours[i] = join_fp8<INSIDE>(fp8_pair(y[4 * i], y[4 * i + 1]) | fp8_pair(y[4 * i + 2], y[4 * i + 3]) << 16);
    static_assert(WIDTH % 16 == 0, "whole words of codes");
    union { Packet<WIDTH * BITS / 8> packet; u32 words[WIDTH * BITS / 32]; } out;
#pragma unroll
    for (int w = 0; w < WIDTH * BITS / 32; ++w) {
        const int at = w / 3 * 4 + w % 3;
        out.words[w] = __byte_perm(fours[at], fours[at + 1], w % 3 == 0 ? 0x4210 : w % 3 == 1 ? 0x5421 : 0x6542);
    }
    return out.packet;
}
