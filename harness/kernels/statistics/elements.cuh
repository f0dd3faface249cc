// Vectors of a tensor and of its codes, from memory to the figures. BITS, ELEMENT, SIGNED, WIDTH as in common/.
#pragma once

#include "statistics/extent.cuh"
#include "statistics/histogram.cuh"
#include "statistics/tally.cuh"

#if WIDTH && ELEMENT == 0
// Whole numbers as f32, in two instructions each and none of the unit that converts integers: it converts to f64 too, at an
// eighth of the others' rate. Codes become the last bits of a power of two whose f32 count ones, which is subtracted: exact.
// The zero point goes with it.
__device__ __forceinline__ void codes_as_floats(const Packet<WIDTH * BITS / 8> &packet, float (&values)[WIDTH], float zero)
{
    constexpr u32 BIAS_OF_SIGNED = SIGNED ? 1u << (BITS - 1) : 0u;
    union { Packet<WIDTH * BITS / 8> packet; u32 words[(WIDTH * BITS + 31) / 32]; } in;
    in.packet = packet;
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
        const u32 word = in.words[i * BITS / 32] ^ (SIGNED ? 0xFFFFFFFFu / ((1u << BITS) - 1) << (BITS - 1) : 0u);
#if BITS == 8
        const u32 place = 0, bits = __byte_perm(word, 0x4B000000u, 0x7650u | i % 4);
#else
        // Where they are, as far as a mantissa reaches: of 32 bits one shift is enough.
        constexpr u32 REACH = 23 / BITS * BITS;
        const u32 at = i * BITS % 32, place = at % REACH;
        const u32 bits = (word >> (at - place) & ((1u << BITS) - 1) << place) | (150u - place) << 23;
#endif
        values[i] = __uint_as_float(bits) - (static_cast<float>(1u << (23 - place)) + static_cast<float>(BIAS_OF_SIGNED) + zero);
    }
}
#elif WIDTH && NATIVE
// Two fp8 codes become two f16 by one instruction, and f32 by one each: exact.
__device__ __forceinline__ void codes_as_floats(const Packet<WIDTH> &packet, float (&values)[WIDTH], float)
{
    union { Packet<WIDTH> packet; u16 pairs[WIDTH / 2]; } in;
    in.packet = packet;
#pragma unroll
    for (int i = 0; i < WIDTH; i += 2) {
        u32 halves;
#if EXPONENT == 4
        asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(halves) : "h"(in.pairs[i / 2]));
#else
        asm("cvt.rn.f16x2.e5m2x2 %0, %1;" : "=r"(halves) : "h"(in.pairs[i / 2]));
#endif
        asm("{.reg .b16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high;}"
            : "=f"(values[i]), "=f"(values[i + 1])
            : "r"(halves));
    }
}
#endif

// A vector of the tensor and of its codes.
struct Loaded {
#if WIDTH
    Packet<WIDTH * sizeof(value_t)> x;
    Packet<(WIDTH * BITS + 7) / 8> codes;
#else
    value_t x;
    u32 code;
#endif
};

struct Walk {
    const value_t *__restrict__ x;
    const u8 *__restrict__ codes;
    Lookup lookup;
    Range range;
    u64 count;
    u32 own; // Histogram::own

    __device__ __forceinline__ void load(Loaded &to, index_t vector) const
    {
#if WIDTH
        to.x.load(x + static_cast<u64>(vector) * WIDTH);
        to.codes.load(codes + static_cast<u64>(vector) * (WIDTH * BITS) / 8);
#else
        to.x = x[vector];
        to.code = stored_code(vector);
#endif
    }

    // The values, and what the codes stand for at scale 1, less the zero point; codes are counted.
    __device__ __forceinline__ void unpack(const Loaded &from, index_t vector, float zero, float (&values)[STEP],
                                           float (&made)[STEP]) const
    {
#if WIDTH
        Values<WIDTH> unpacked;
        unpacked.unpack(from.x);
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) values[j] = unpacked.at[j];
        const u32 shift = WIDTH * BITS < 8 ? static_cast<u32>(vector % 8 * (WIDTH * BITS) % 8) : 0;
#if ELEMENT == 0 || NATIVE
        codes_as_floats(from.codes, made, zero);
#else
        unpack_codes(from.codes, made, shift);
#endif
        histogram().add<WIDTH>(own, from.codes, shift);
#else
        values[0] = to_float(from.x);
        made[0] = element_value(from.code) - zero;
        histogram().add(from.code);
#endif
    }

    // All lanes of the warp have a vector: nothing has to be set for those that have none.
    __device__ __forceinline__ void take(BlockSum &sum, Tally &tally, const Loaded &from, index_t vector,
                                         const Affine &affine) const
    {
        float values[STEP], made[STEP];
        unpack(from, vector, affine.zero, values, made);
#pragma unroll
        for (int j = 0; j < STEP; ++j) made[j] *= affine.scale;
        sum.take(tally, values, made, true, static_cast<u32>(vector) * STEP, affine, range);
    }

    // All lanes of the warp; nothing where there is no vector.
    __device__ __forceinline__ void take(BlockSum &sum, Tally &tally, const Loaded &from, index_t vector, bool there,
                                         const Affine &affine) const
    {
        float values[STEP] = {}, made[STEP] = {};
        if (there) {
            unpack(from, vector, affine.zero, values, made);
#pragma unroll
            for (int j = 0; j < STEP; ++j) made[j] *= affine.scale;
        }
        sum.take(tally, values, made, there, static_cast<u32>(vector) * STEP, affine, range);
    }

    // The elements after the last whole vector; they are of the last block.
    __device__ __forceinline__ void take_rest(BlockSum &sum, Tally &tally, bool last, u32 lane, const Affine &affine) const
    {
        const u64 first = count / STEP * STEP;
        if (!__any_sync(ALL_LANES, last && first < count)) return;
        for (u32 i = lane; i - lane < STEP; i += TEAM) {
            const bool there = last && first + i < count;
            float value[1] = {0.0f}, made[1] = {0.0f};
            if (there) {
                const u32 code = stored_code(first + i);
                value[0] = to_float(x[first + i]);
                made[0] = affine.decode(element_value(code));
                histogram().add(code);
            }
            sum.take(tally, value, made, there, static_cast<u32>(first) + i, affine, range);
        }
    }

    // The bits of one code.
    __device__ __forceinline__ u32 stored_code(u64 at) const
    {
        const u64 bit = at * BITS;
        u32 code = codes[bit / 8] >> (bit % 8);
        if (BITS == 6 && bit % 8 > 2) code |= static_cast<u32>(codes[bit / 8 + 1]) << (8 - bit % 8);
        return code & (CODES - 1);
    }
};
