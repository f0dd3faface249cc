// A thread's vector of values -> its codes under one scale. What Affine::encode and pack_codes make of it, by fewer
// instructions where the format, the scale or 16-bit values allow; tests/kernels/test_encode_vector.py compares the codes.
#pragma once

#include "common/affine.cuh"
#include "common/codes.cuh"
#include "quantize/pairs.cuh"

typedef Packet<WIDTH * sizeof(value_t)> ValuePacket;
typedef Packet<WIDTH * BITS / 8> CodePacket;

// Whole numbers of 16-bit values. Of less than a byte what all codes of a word have in common is added to the word.
#define PAIR_WHOLE (ELEMENT == 0 && VALUE != 0 && SCALE != 3 && (BITS < 8 || !ASYMMETRIC))
// Limits of x, rounded to bf16, are off by less than half a scale where codes are less than a byte: that changes no code. (f16
// has scales that its subnormal numbers are coarser than.)
#define CLAMPED_PAIRS (VALUE == 2 && BITS < 8)
// bf16 under powers of two: quotients are bf16 again, and its sums count units as f32's do.
#define PAIR_LINES (ELEMENT == 2 && EXPONENT == 2 && VALUE == 2 && SCALE == 3 && !BY_FP8)
// Other formats of 16-bit values, of quotients in f32: FP6 where an instruction makes FP8, FP4, NF4.
#define BY_FP8 (ELEMENT == 2 && BITS == 6 && VALUE != 0 && __CUDA_ARCH__ >= 890)
#define BY_LINES (ELEMENT == 2 && BITS == 4 && VALUE != 0 && !PAIR_LINES)
#define BY_CELLS (ELEMENT == 3 && VALUE != 0)

#if BY_FP8
#include "quantize/encode_fp6.cuh"
#elif BY_LINES
#include "quantize/encode_fp4.cuh"
#elif BY_CELLS
#include "quantize/encode_nf4.cuh"
#endif

#if ELEMENT == 1

// Codes are the signs of x + t, where t is the largest x whose quotient is rounded to 0: at most half of the least f32 times the
// scale. A sum is 0 only where it is exact, and then it is +0; so -0 counts as +0.
__device__ __forceinline__ CodePacket encode_signs(const ValuePacket &packet, float scale)
{
    const float vanishing = __fmul_rz(0.5f * scale, 0x1p-149f);
    const u32 *words = reinterpret_cast<const u32 *>(packet.words);
    u32 below = 0;
    static_assert(WIDTH == 16, "a half of a word of codes");
#if VALUE == 0
#pragma unroll
    for (int i = WIDTH - 1; i >= 0; --i)
        below = __funnelshift_l(__float_as_uint(__uint_as_float(words[i]) + vanishing), below, 1);
#else
    // Rounded down to 16 bits: no x lies between.
#if VALUE == 1
    u16 least;
    asm("cvt.rz.f16.f32 %0, %1;" : "=h"(least) : "f"(vanishing));
#else
    const u16 least = static_cast<u16>(__float_as_uint(vanishing) >> 16);
#endif
    u32 signs = 0; // of even elements from bit 1 on, of odd ones from bit 17 on, two bits apart
#pragma unroll
    for (int i = 0; i < WIDTH / 2; ++i)
        signs = signs >> 2 | (pair_fma(words[i], PAIR_ONE, pair_of(least)) & 0x80008000u);
    below = (signs >> 1 & 0x5555u) | (signs >> 16 & 0xAAAAu);
#endif
    CodePacket made;
    made.words[0] = static_cast<u16>(~below);
    return made;
}

#elif PAIR_LINES

// encode_kept's lines with bf16 in place of f32: from 128 to 256 it counts units too, and no code is above 31.
__device__ __forceinline__ CodePacket encode_lines(const ValuePacket &packet, float inverse)
{
    constexpr u32 UNITS = 1u << MANTISSA, START = 0x4340u; // 192
    constexpr u32 ONE = 0x3F80u, BINADE = 0x80u, BOTH = 0x10001u;
    constexpr u32 SIGN = FLOAT_SIGN * BOTH;
    // Of a word: what START adds to the two codes when the second is moved beside the first.
    constexpr u32 REST = START + (START << BITS), COUNT = BITS == 4 ? 4 : 2;
    const u32 times = pair_of(static_cast<u16>(__float_as_uint(inverse) >> 16));
    const u32 *words = reinterpret_cast<const u32 *>(packet.words);
    u32 joined[WIDTH / 2 / COUNT + 2];
#pragma unroll
    for (int w = 0; w < WIDTH / 2 / COUNT; ++w) {
        u32 word = 0, rest = 0;
#pragma unroll
        for (int i = COUNT - 1; i >= 0; --i) {
            const u32 x = words[w * COUNT + i];
            const u32 y = pair_fma(x & 0x7FFF7FFFu, times, 0u);
            const u32 lower = pair_fma(y, (ONE + MANTISSA * BINADE) * BOTH, START * BOTH);
            const u32 middle = pair_fma(y, (ONE + (MANTISSA - 1) * BINADE) * BOTH, (START + UNITS) * BOTH);
            const u32 upper = pair_fma(y, (ONE + (MANTISSA - 2) * BINADE) * BOTH, (START + 2 * UNITS) * BOTH);
            const u32 last = (START + 4 * UNITS - 1) * BOTH;
            const u32 code = pair_min(pair_min(lower, middle), pair_min(upper, last));
            const u32 pair = (code & ~SIGN) | (x >> (16 - BITS) & SIGN);
            word = word * (1u << 2 * BITS) + __dp2a_lo(pair, 1u | 1u << (8 + BITS), 0u);
            rest = rest * (1u << 2 * BITS) + REST;
        }
        joined[w] = word - rest;
    }
    union { CodePacket packet; u32 words[WIDTH * BITS / 32]; } out;
#pragma unroll
    for (int w = 0; w < WIDTH * BITS / 32; ++w) {
#if BITS == 4
        out.words[w] = joined[w];
#else
        const int at = w / 3 * 4 + w % 3; // of 24 bits each
        out.words[w] = __byte_perm(joined[at], joined[at + 1], w % 3 == 0 ? 0x4210 : w % 3 == 1 ? 0x5421 : 0x6542);
#endif
    }
    return out.packet;
}

#elif BY_FP8 || BY_LINES || BY_CELLS

// Times QUOTIENT_UNIT, a power of two. Clamped in pairs where PAIR_WITHIN: limits of x, rounded to bf16, are off by 2^-9 of
// themselves, and nearest to their quotients is still the largest value.
template <bool INSIDE>
__device__ __forceinline__ void quotients(const Affine &affine, ValuePacket packet, float high, float (&y)[WIDTH])
{
    Values<WIDTH> values;
    if (affine.divisor.near) {
#if PAIR_WITHIN
        if (!INSIDE) {
            u32 *words = reinterpret_cast<u32 *>(packet.words);
            const u32 most = pair_from_float(high * affine.scale, high * affine.scale);
#pragma unroll
            for (int i = 0; i < WIDTH / 2; ++i) words[i] = pair_within(words[i], most);
        }
#endif
        values.unpack(packet);
        Divisor divisor = affine.divisor;
        divisor.inverse *= QUOTIENT_UNIT;
#if SCALE != 3
        divisor.rest *= QUOTIENT_UNIT;
#endif
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) y[i] = divisor.of(values.at[i], -high, high);
    } else {
        values.unpack(packet);
#pragma unroll
        for (int i = 0; i < WIDTH; ++i)
            y[i] = __fdiv_rn(values.at[i], affine.scale);
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) y[i] = fminf(fmaxf(y[i], -high), high) * QUOTIENT_UNIT;
    }
}

#elif PAIR_WHOLE

template <bool INSIDE>
__device__ __forceinline__ CodePacket encode_whole(const Affine &affine, ValuePacket packet, float low, float high, u32 flip)
{
    const float least = low - affine.zero, most = high - affine.zero;
#if CLAMPED_PAIRS
    if (!INSIDE) {
        const u32 from = pair_from_float(least * affine.scale, least * affine.scale);
        const u32 to = pair_from_float(most * affine.scale, most * affine.scale);
        u32 *words = reinterpret_cast<u32 *>(packet.words);
#pragma unroll
        for (int i = 0; i < WIDTH / 2; ++i) words[i] = pair_min(pair_max(words[i], from), to);
    }
#endif
    Values<WIDTH> values;
    u32 made[WIDTH];
    values.unpack(packet);
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
        const float y = affine.divisor.of(values.at[i], least, most);
        made[i] = __float_as_uint((CLAMPED_PAIRS || INSIDE ? y : fminf(fmaxf(y, least), most)) + WHOLE);
    }
#if BITS == 8
    return pack_codes(made, flip);
#else
    constexpr int COUNT = WIDTH * BITS < 32 ? WIDTH : 32 / BITS;
    const u32 common = static_cast<u32>(static_cast<int>(affine.zero + code_bias(low))) * (0xFFFFFFFFu / ((1u << BITS) - 1));
    union { CodePacket packet; u32 words[(WIDTH * BITS + 31) / 32]; } out;
#pragma unroll
    for (int w = 0; w < WIDTH / COUNT; ++w) out.words[w] = (join_codes<COUNT>(made + w * COUNT) + common) ^ flip;
    return out.packet;
#endif
}

#endif

// INSIDE: no quotient is beyond the least and the largest code.
template <bool INSIDE>
__device__ __forceinline__ CodePacket
encode_vector(const Affine &affine, const ValuePacket &packet, float low, float high, u32 flip)
{
#if ELEMENT == 1
    return encode_signs(packet, affine.scale);
#elif PAIR_LINES
    return encode_lines(packet, affine.divisor.inverse);
#elif BY_FP8 || BY_LINES || BY_CELLS
    float y[WIDTH];
    quotients<INSIDE>(affine, packet, high, y);
    return encode_quotients<INSIDE || PAIR_WITHIN>(y, packet);
#else
#if PAIR_WHOLE
    if (affine.divisor.near) return encode_whole<INSIDE>(affine, packet, low, high, flip);
#endif
    Values<WIDTH> values;
    u32 made[WIDTH];
    values.unpack(packet);
    affine.encode(values.at, made, low, high);
    return pack_codes(made, flip);
#endif
}
