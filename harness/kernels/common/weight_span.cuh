// A SPAN of k of ROWS rows of a packed weight, as the weight-only products find it in shared memory: of every sixteen rows 16 bytes
// of codes a lane, VECTORS times, in the order of fragments; then scales and zero points, of each GROUP along k (or of the one
// that the SPAN is a part of) one a row (weight_packing.py).
#pragma once

#include "common/ring.cuh"
#include "common/weight_codes.cuh"

#define WORDS (SPAN * BITS / 64) // of a lane and sixteen rows
#define VECTORS (WORDS / 4)
#define GROUPS (GROUP ? (GROUP < SPAN ? SPAN / (GROUP ? GROUP : 1) : 1) : ASYMMETRIC)
#define SCALES_BYTES (GROUP ? GROUPS * ROWS * static_cast<int>(sizeof(scale_t)) : 0)
#define RECORD_BYTES (SCALES_BYTES + (ASYMMETRIC ? GROUPS * ROWS : 0))
#define CODES_BYTES (ROWS / 16 * VECTORS * 512)
#define SPAN_BYTES (CODES_BYTES + RECORD_BYTES)

// The scales and zero points of a SPAN.
struct Record {
    const u8 *at;
    u32 row; // of the tile, the lane's first one
    float whole;

    __device__ __forceinline__ float scale(int group, int row_tile, int half) const
    {
        return scale_of(reinterpret_cast<const scale_t *>(at)[group * ROWS + row_tile * 16 + half * 8 + row], whole);
    }
    __device__ __forceinline__ u32 zero(int group, int row_tile, int half) const
    {
#if ASYMMETRIC
        return zero_of(at[SCALES_BYTES + group * ROWS + row_tile * 16 + half * 8 + row]);
#else
        return zero_of(ZERO);
#endif
    }
};

// Register `at` of a lane's sixteen rows: four a product.
__device__ __forceinline__ u32 fragment(const u32 (&words)[WORDS], int at, const u32 (&zeros)[2], u32 base, const u8 *table)
{
#if KIND == 2
    return looked_up(table, words[at / OF_WORD], at % OF_WORD);
#else
    return value_pair(words[at / OF_WORD], at % OF_WORD, zeros[at % 2], base);
#endif
}
