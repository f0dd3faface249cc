// Packed weights as 16-bit floating values, two at a time, in the order of the fragments of a tensor-core product
// (weight_packing.py).
//
// BITS: of a code, 8, 4, 2, 1. KIND: 0 integers u of BITS, a value is u - zero; 1: one bit, +1 or -1; 2: codes of four bits that a
// table gives the values of; 3: e2m1. BF16 1: values are bf16, else f16. ASYMMETRIC 1: zero is another one in each row and group,
// else ZERO.
//
// Integers are put below the mantissa's first bit of 2^MANTISSA, where they count ones (or powers of two of them, where they
// lie higher), and one fused operation takes 2^MANTISSA and the zero point away: exact, as all of it has few bits.
#pragma once

#include "common/values.cuh"

#if BF16
#define MANTISSA 7
#define BIAS_OF_16 127
#else
#define MANTISSA 10
#define BIAS_OF_16 15
#endif
#define BOTH(bits) ((bits) * 0x10001u)
// Registers, of two values each, that a word of codes holds.
#define OF_WORD (KIND == 2 ? 4 : 16 / BITS)

// 2^exponent.
__device__ __forceinline__ constexpr u32 power(int exponent) { return BOTH(static_cast<u32>(BIAS_OF_16 + exponent) << MANTISSA); }

// a b + c, two at a time, one rounding.
__device__ __forceinline__ u32 fused(u32 a, u32 b, u32 c)
{
    u32 made;
#if BF16
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(made) : "r"(a), "r"(b), "r"(c));
#else
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(made) : "r"(a), "r"(b), "r"(c));
#endif
    return made;
}

// 2^MANTISSA, of which no compiler knows that it is a constant (`none` is 0): of an instruction's two constants it else loads
// one anew each time.
__device__ __forceinline__ u32 counting_base(u32 none) { return power(MANTISSA) | none; }

// a & mask | base, of INVERTED ~a & mask | base: one instruction (PTX ISA, lop3; its table is that of the expression on 0xF0,
// 0xCC, 0xAA).
template <bool INVERTED = false> __device__ __forceinline__ u32 masked_onto(u32 a, u32 mask, u32 base)
{
    u32 made;
    asm("lop3.b32 %0, %1, %2, %3, %4;" : "=r"(made) : "r"(a), "r"(mask), "r"(base), "n"(INVERTED ? 0xAE : 0xEA));
    return made;
}

// The bytes of two bytes' codes in either half of a word, less 128, as bf16: the seven low bits count from 128, the eighth says
// what is taken away.
__device__ __forceinline__ u32 bytes_less_128(u32 codes, u32 base)
{
    const u32 low = masked_onto(codes, 0x007F007F, base), away = masked_onto<true>(codes, 0x00800080, base);
    return fused(away, power(0) | 0x80008000, low);
}

// A zero point as `value_pair` takes it.
__device__ __forceinline__ u32 zero_of(u32 byte)
{
    return BITS == 8 && BF16 ? bytes_less_128(BOTH(byte), power(MANTISSA)) ^ 0x80008000 : BOTH(byte);
}

// -(2^(MANTISSA - place) + zero): what codes `place` bits above the lowest one count from, after they are divided by 2^place.
__device__ __forceinline__ u32 minus_base(int place, u32 zero)
{
    return BOTH(0x8000u | static_cast<u32>(BIAS_OF_16 + MANTISSA - place) << MANTISSA) | zero << place;
}

// How far codes `i` of a word's halves move to the right, so that they lie within the mantissa (of one bit: not lowest).
__device__ __forceinline__ constexpr int shift_of(int i)
{
    return BITS == 1 ? (i == 0 ? -1 : (i - 1) / (MANTISSA - 1) * (MANTISSA - 1))
           : BITS == 2 ? i / (MANTISSA / 2) * (MANTISSA / 2 * 2)
                       : i / (MANTISSA / 4) * (MANTISSA / 4 * 4);
}

#if KIND == 3
// Where exponent and mantissa of code `i` of a word's halves stand, and its sign: where those of a value are, less a power of two,
// or else such that few operations move them there (weight_packing.py).
#define E2M1_PLACE (MANTISSA - 1)
__device__ __forceinline__ constexpr int magnitude_place(int i)
{
    return (i < 2) * (E2M1_PLACE - 3 * i) + (i == 3) * (3 + 6 * BF16);
}
__device__ __forceinline__ constexpr int sign_place(int i) { return (i < 2) * (15 - 3 * i) + (i > 1) * (11 + i); }

__device__ __forceinline__ u32 e2m1_pair(u32 word, int i)
{
    const int left = E2M1_PLACE - magnitude_place(i), sign_left = 15 - sign_place(i);
    const u32 moved = left < 0 ? word >> -left : word << left, magnitude = BOTH(7u << E2M1_PLACE);
    const u32 signs = (left == sign_left ? moved : word << sign_left) & 0x80008000;
    const u32 small = left == sign_left ? moved & (magnitude | 0x80008000) : masked_onto(moved, magnitude, signs);
    return BF16 ? fused(small, power(BIAS_OF_16 - 1), 0x80008000) : small; // subnormal ones become what they stand for, too
}
#endif
// What sums of values are multiplied with. e2m1 less 2^14 is within what sums in f32 hold, less 2^126 it is not.
#define VALUE_FACTOR (KIND == 3 && !BF16 ? 16384.0f : 1.0f)

// Register `i` of a word. `base`: counting_base.
__device__ __forceinline__ u32 value_pair(u32 word, int i, u32 zero, u32 base)
{
#if KIND == 3
    return e2m1_pair(word, i);
#elif BITS == 8 && BF16
    const u32 less_128 = bytes_less_128(i ? word >> 8 : word, base);
    return ASYMMETRIC || ZERO != 128 ? fused(less_128, power(0), zero) : less_128;
#elif BITS == 8
    return fused(__byte_perm(word, 0x64646464, i ? 0x4341 : 0x4240), power(0), minus_base(0, zero));
#else
    const int shift = shift_of(i), place = BITS * i - shift;
    const u32 moved = shift < 0 ? word << -shift : word >> shift;
    const u32 counted = masked_onto(moved, BOTH(((1u << BITS) - 1) << place), base);
#if KIND == 1
    // 2 u - 1
    return fused(counted, power(1 - place), power(MANTISSA + 1 - place) | BOTH(0x8000u | 1u << (place - 1)));
#else
    return fused(counted, power(-place), minus_base(place, zero));
#endif
#endif
}

#if KIND == 2
// The values of every two codes, one copy for each bank of shared memory: lanes that look up different ones do not wait.
#define TABLE_BYTES (256 * 128)

// By the block's first `threads`; `values`: sixteen.
__device__ __forceinline__ void fill_table(u8 *table, const u16 *values, u32 threads)
{
    for (u32 i = threadIdx.x; i < TABLE_BYTES / 4; i += threads) {
        const u32 codes = i / 32;
        reinterpret_cast<u32 *>(table)[i] = __ldg(values + codes % 16) | static_cast<u32>(__ldg(values + codes / 16)) << 16;
    }
}

// Register `i` of a word, of which byte i holds the two codes; words are stored turned left by seven bits, so that a byte
// is the place of its row in the table once it is masked.
__device__ __forceinline__ u32 looked_up(const u8 *table, u32 word, int i)
{
    const u32 moved = i < 3 ? word >> 8 * i : __funnelshift_r(word, word, 24);
    return *reinterpret_cast<const u32 *>(table + ((moved & 0x7F80) | threadIdx.x % 32 * 4));
}
#else
#define TABLE_BYTES 0
#endif

// Scales as they are stored. SCALE: 0 f32, 1 f16, 2 bf16, 3 e8m0, 4 e4m3 under `whole`.
#if SCALE == 0
typedef float scale_t;
#elif SCALE < 3
typedef u16 scale_t;
#else
typedef u8 scale_t;
#endif

__device__ __forceinline__ float scale_of(scale_t stored, float whole)
{
#if SCALE == 0
    return stored;
#elif SCALE == 1
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(stored));
    return wide;
#elif SCALE == 2
    return __uint_as_float(static_cast<u32>(stored) << 16);
#elif SCALE == 3
    u32 bits; // 2^-127 is subnormal
    asm("max.u32 %0, %1, 0x00400000;" : "=r"(bits) : "r"(static_cast<u32>(stored) << 23)); // max() becomes two instructions
    return __uint_as_float(bits);
#else
    // Exponent and mantissa in place of an f32's are off by 2^120, subnormal ones too.
    return __uint_as_float(static_cast<u32>(stored) << 20) * __uint_as_float((127u + 120) << 23) * whole;
#endif
}
