// What becomes of int32 sums of yᵀ = w xᵀ: zero points, scales, what follows (common/following.cuh), one rounding, stores along y's
// rows. VALUE, ZERO_POINTS as in common/product_tail.cuh.
//
// Sum 4 j + 2 h + e of a thread is token 8 j + 2 (lane % 4) + e of the weight's row at place lane / 4 + 8 h of the warp's sixteen.
// Eights of rows by eights of tokens are turned over within the warp (PTX ISA, movmatrix), after which a thread has token
// 8 j + lane / 4 of two rows in each half h. Rows are stored in another order (``prepared.py``), so that these four are neighbours
// in y: place 8 h + 2 q + e holds row 4 q + 2 h + e.
#pragma once

#include "common/following.cuh"

#define WARP_COLUMNS 16
#define OWN_COLUMNS 4

__device__ __forceinline__ u32 turned(u32 pair)
{
    u32 made;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(made) : "r"(pair));
    return made;
}

// `first`, `second`: a row's values of two neighbouring tokens; turned over two rows' values of one token.
__device__ __forceinline__ void turn_pair(float &first, float &second)
{
#if VALUE == 0 || OUTPUT_S8
    const u32 a = __float_as_uint(first), b = __float_as_uint(second);
    const u32 low = turned(__byte_perm(a, b, 0x5410)), high = turned(__byte_perm(a, b, 0x7632));
    first = __uint_as_float(__byte_perm(low, high, 0x5410));
    second = __uint_as_float(__byte_perm(low, high, 0x7632));
#else
    const u32 pair = turned(pair_from_float(first, second)); // exact when it is packed again
    first = to_float(static_cast<u16>(pair));
    second = to_float(static_cast<u16>(pair >> 16));
#endif
}

struct TransposedTail {
    output_t *__restrict__ y;                // [m, n]
    const float *__restrict__ row_scales;    // [m], or a single one: row_stride is 1 or 0
    const float *__restrict__ column_scales; // [n], with room up to whole tiles, where columns are not checked
    const int *__restrict__ zero_points;     // as row_scales
    const int *__restrict__ column_sums;     // as column_scales: sums of the weight's codes along k, as they are multiplied
    u32 m, n, row_stride;
    const float *__restrict__ bias; // as column_scales
    float output_scale;             // of OUTPUT_S8

    // The row that the first of a thread's two is, of a warp whose sixteen begin at `column`; the other one is two on.
    __device__ __forceinline__ static u32 own_row(u32 column)
    {
        const u32 lane = threadIdx.x % 32;
        return column + lane / 8 * 4 + lane / 4 % 2;
    }
    // What is needed at the end is asked for at the beginning.
    __device__ __forceinline__ void prefetch(u32 column) const
    {
        const u32 own = own_row(column);
        asm volatile("prefetch.global.L2 [%0];" ::"l"(column_scales + own));
#if BIAS
        asm volatile("prefetch.global.L2 [%0];" ::"l"(bias + own));
#endif
#if ZERO_POINTS
        asm volatile("prefetch.global.L2 [%0];" ::"l"(column_sums + own));
#endif
    }

    // The sums of a warp: sixteen rows from `column` on, tokens from `token` on.
    template <int SUMS> __device__ __forceinline__ void put(const int (&sums)[SUMS], u32 token, u32 column) const
    {
        constexpr int EIGHTS = SUMS / 4, AT_ONCE = EIGHTS < 4 ? EIGHTS : 4;
        const u32 lane = threadIdx.x % 32, own = own_row(column);
        const float scale[2] = {__ldg(column_scales + own), __ldg(column_scales + own + 2)};
#if BIAS
        const float added[2] = {__ldg(bias + own), __ldg(bias + own + 2)};
#endif
#if ZERO_POINTS
        const int sum_of_row[2] = {__ldg(column_sums + own), __ldg(column_sums + own + 2)};
#endif
#pragma unroll
        for (int some = 0; some < EIGHTS; some += AT_ONCE) {
            if (token + some * 8 >= m) return; // the same all through the warp
            // Loads of several eights come first: nothing between them may end the warp's work.
            float of_token[AT_ONCE][2];
#if ZERO_POINTS
            int zero_point[AT_ONCE][2];
#endif
#pragma unroll
            for (int i = 0; i < AT_ONCE * 2; ++i) {
                const u32 at = min(token + (some + i / 2) * 8 + lane % 4 * 2 + i % 2, m - 1) * row_stride;
                of_token[i / 2][i % 2] = __ldg(row_scales + at);
#if ZERO_POINTS
                zero_point[i / 2][i % 2] = __ldg(zero_points + at);
#endif
            }
#pragma unroll
            for (int i = 0; i < AT_ONCE; ++i) {
                const int j = some + i;
                float made[2][2];
#pragma unroll
                for (int at = 0; at < 4; ++at) {
                    const int half = at / 2, e = at % 2;
                    int sum = sums[4 * j + at];
#if BITS
                    sum = 4 * sum - zero_point[i][e] - sum_of_row[half];
#elif ZERO_POINTS
                    sum -= zero_point[i][e] * sum_of_row[half];
#endif
                    float y = static_cast<float>(sum) * of_token[i][e] * scale[half];
#if BIAS
                    y += added[half];
#endif
                    made[half][e] = follow(y);
                }
                turn_pair(made[0][0], made[0][1]);
                turn_pair(made[1][0], made[1][1]);
                store(made, token + j * 8 + lane / 4, column + lane % 4 * OWN_COLUMNS);
            }
        }
    }

    __device__ __forceinline__ void store(const float (&made)[2][2], u32 token, u32 column) const
    {
        if (token >= m || column >= n) return;
        output_t *to = y + static_cast<u64>(token) * n + column;
        if (n % OWN_COLUMNS == 0) {
#if OUTPUT_S8
            u32 word = 0;
#pragma unroll
            for (int i = 0; i < OWN_COLUMNS; ++i) word |= code_of(made[i / 2][i % 2], output_scale) << (i * 8);
            *reinterpret_cast<u32 *>(to) = word;
#else
            const Values<OWN_COLUMNS> values = {made[0][0], made[0][1], made[1][0], made[1][1]};
            values.pack().store(to);
#endif
            return;
        }
#pragma unroll
        for (int i = 0; i < OWN_COLUMNS; ++i)
            if (column + i < n) to[i] = output_of(made[i / 2][i % 2], output_scale);
    }
};
