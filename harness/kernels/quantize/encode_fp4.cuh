// FP4 of 16-bit values: encode_kept's lines, of which the least is found among whole numbers (three at once where there is such
// an instruction), and signs that are moved eight at a time.
#pragma once

#include "common/affine.cuh"
#include "common/codes.cuh"

// Bytes of the two words, each nothing but the sign of the byte that its nibble of WHICH, less 8, counts to (PTX ISA, prmt).
template <u32 WHICH> __device__ __forceinline__ u32 byte_signs(u32 first, u32 second)
{
    u32 made;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(made) : "r"(first), "r"(second), "n"(WHICH));
    return made;
}

// Bit 3 of nibble i is the sign of value i, of eight in four words.
__device__ __forceinline__ u32 nibble_signs(const u32 *words)
{
    const u32 first = __byte_perm(words[0], words[1], 0x7531), last = __byte_perm(words[2], words[3], 0x7531);
    const u32 even = byte_signs<0xECA8>(first, last), odd = byte_signs<0xFDB9>(first, last);
    return ((even & 0x0F0F0F0Fu) | (odd & 0xF0F0F0F0u)) & 0x88888888u;
}

#define QUOTIENT_UNIT 1.0f

// INSIDE: no quotient is nearer to what would be above the largest value. values: what signs are of.
template <bool INSIDE>
__device__ __forceinline__ Packet<WIDTH * BITS / 8>
encode_quotients(const float (&y)[WIDTH], const Packet<WIDTH * sizeof(value_t)> &values)
{
    const u32 *words = reinterpret_cast<const u32 *>(values.words);
    union { Packet<WIDTH * BITS / 8> packet; u32 words[WIDTH / 8]; } out;
#pragma unroll
    for (int w = 0; w < WIDTH / 8; ++w) {
        u32 made[8];
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const float magnitude = fabsf(y[8 * w + i]);
            const u32 lower = __float_as_uint(fmaf(magnitude, 2.0f, WHOLE));
            const u32 middle = __float_as_uint(fmaf(magnitude, 1.0f, WHOLE + 2.0f));
            const u32 upper = __float_as_uint(fmaf(magnitude, 0.5f, WHOLE + 4.0f));
            made[i] = min(min(lower, middle), INSIDE ? upper : min(upper, WHOLE_BITS + 7));
        }
        out.words[w] = join_codes<8>(made) | nibble_signs(words + 4 * w);
    }
    return out.packet;
}
