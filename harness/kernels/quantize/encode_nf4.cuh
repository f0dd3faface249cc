// NF4 of 16-bit values: the cells of encode_kept, whose codes are corrected by signs of differences.
#pragma once

#include "common/affine.cuh"
#include "common/codes.cuh"

#define QUOTIENT_UNIT 1.0f

// INSIDE: no quotient is beyond -1 and 1 by more than 2^-8.
template <bool INSIDE>
__device__ __forceinline__ Packet<WIDTH * BITS / 8>
encode_quotients(const float (&y)[WIDTH], const Packet<WIDTH * sizeof(value_t)> &)
{
    const u8 *cells = reinterpret_cast<const u8 *>(&nf4_cells_here());
    union { Packet<WIDTH * BITS / 8> packet; u32 words[WIDTH / 8]; } out;
#pragma unroll
    for (int w = 0; w < WIDTH / 8; ++w) {
        u32 made[8]; // codes less 1
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const float own = y[8 * w + i];
            const u32 at = INSIDE ? __float_as_uint(fmaf(own, 64.0f, WHOLE + 64.0f)) & 0xFCu : nf4_cell(own);
            const float threshold = *reinterpret_cast<const float *>(cells + at);
            const int below = static_cast<int>(__float_as_uint(own - threshold)) >> 31; // -1 where it is
            made[i] = *reinterpret_cast<const u32 *>(cells + at + sizeof(float[33])) + below;
        }
        out.words[w] = join_codes<8>(made) + 0x11111111u;
    }
    return out.packet;
}
