// What becomes of sums of yᵀ = w xᵀ: zero points, scales, what follows (common/following.cuh), one rounding, stores along y's rows.
// VALUE, ZERO_POINTS and BINARY as in common/product_tail.cuh; TOKEN_SCALES, COLUMN_SCALES 0: there are none; SUM_FACTOR: what all are
// multiplied with.
//
// Sum 4 j + 2 h + e of a thread is token 8 j + 2 (lane % 4) + e of row lane / 4 + 8 h of the warp's sixteen: eights of rows by eights of
// tokens, which are turned over. Sixteen-bit outputs are turned on their way through shared memory (PTX ISA, stmatrix), 32 tokens at a
// time, and leave it as whole lines of the warpgroup's 64 columns; others are turned within the warp (movmatrix).
#pragma once

#include "common/following.cuh"

#ifndef BINARY
#define BINARY 0
#endif
#ifndef TOKEN_SCALES
#define TOKEN_SCALES 1
#endif
#ifndef COLUMN_SCALES
#define COLUMN_SCALES 1
#endif
#ifndef SUM_FACTOR
#define SUM_FACTOR 1.0f
#endif
#define STAGED (VALUE != 0 && !OUTPUT_S8)
#define WARP_COLUMNS 16
#define GROUP_COLUMNS 64
#define TOKENS_AT_ONCE (TILE_T < 32 ? TILE_T : 32)
#define EIGHTS (TOKENS_AT_ONCE / 8)
#define LINE_OF_TOKEN (GROUP_COLUMNS * 2) // bytes
#define TURN_BYTES (TOKENS_AT_ONCE * LINE_OF_TOKEN) // twice, a warpgroup

struct TransposedTail {
    output_t *__restrict__ y;                // [m, n]
    const float *__restrict__ row_scales;    // [m], or a single one: row_stride is 1 or 0
    const float *__restrict__ column_scales; // [n], with room up to whole tiles, where columns are not checked
    const int *__restrict__ zero_points;     // as row_scales
    const int *__restrict__ column_sums;     // as column_scales: sums of the weight's codes along k, as they are multiplied
    u32 m, n, row_stride;
    const float *__restrict__ bias; // as column_scales
    float output_scale;             // of OUTPUT_S8
    u32 turns;                      // the warpgroup's shared memory to turn outputs over in: two of TURN_BYTES
    u32 group;
    u32 which; // of the two: they take turns from one tile to the next too

    // What is needed at the end is asked for at the beginning. `column`: the warpgroup's first.
    __device__ __forceinline__ void prefetch(u32 column) const
    {
        [[maybe_unused]] const u32 own = column + threadIdx.x % GROUP_COLUMNS;
#if COLUMN_SCALES
        asm volatile("prefetch.global.L2 [%0];" ::"l"(column_scales + own));
#endif
#if BIAS
        asm volatile("prefetch.global.L2 [%0];" ::"l"(bias + own));
#endif
#if ZERO_POINTS
        asm volatile("prefetch.global.L2 [%0];" ::"l"(column_sums + own));
#endif
    }

    // The sums of a warpgroup: 64 rows from `column` on, tokens from `token` on.
    template <typename Sum, int COUNT> __device__ __forceinline__ void put(const Sum (&sums)[COUNT], u32 token, u32 column)
    {
        const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
        [[maybe_unused]] const u32 own = column + warp * WARP_COLUMNS + lane / 4;
#if COLUMN_SCALES
        const float scale[2] = {SUM_FACTOR * __ldg(column_scales + own), SUM_FACTOR * __ldg(column_scales + own + 8)};
#else
        const float scale[2] = {SUM_FACTOR, SUM_FACTOR};
#endif
#if BIAS
        const float added[2] = {__ldg(bias + own), __ldg(bias + own + 8)};
#endif
#if ZERO_POINTS
        const int sum_of_row[2] = {__ldg(column_sums + own), __ldg(column_sums + own + 8)};
#endif
#pragma unroll
        for (int some = 0; some < COUNT / 4; some += EIGHTS) {
            const u32 first = token + some * 8;
            if (first >= m) return; // the same all through the warpgroup
            // Loads of several eights come first: nothing between them may end the warp's work.
#if TOKEN_SCALES
            float of_token[EIGHTS][2];
#endif
#if ZERO_POINTS
            int zero_point[EIGHTS][2];
#endif
#if TOKEN_SCALES || ZERO_POINTS
#pragma unroll
            for (int i = 0; i < EIGHTS * 2; ++i) {
                const u32 at = min(first + i / 2 * 8 + lane % 4 * 2 + i % 2, m - 1) * row_stride;
#if TOKEN_SCALES
                of_token[i / 2][i % 2] = __ldg(row_scales + at);
#endif
#if ZERO_POINTS
                zero_point[i / 2][i % 2] = __ldg(zero_points + at);
#endif
            }
#endif
            const auto value = [&](int i, int half, int e) {
                Sum sum = sums[4 * (some + i) + 2 * half + e];
#if BINARY
                sum = 4 * sum - zero_point[i][e] - sum_of_row[half];
#elif ZERO_POINTS
                sum -= zero_point[i][e] * sum_of_row[half];
#endif
#if TOKEN_SCALES
                float y = static_cast<float>(sum) * of_token[i][e] * scale[half];
#else
                float y = static_cast<float>(sum) * scale[half];
#endif
#if BIAS
                y += added[half];
#endif
                return follow(y);
            };
#if STAGED
            const u32 buffer = turns + which * TURN_BYTES;
            which ^= 1;
            u32 pairs[EIGHTS][2];
#pragma unroll
            for (int i = 0; i < EIGHTS; ++i)
#pragma unroll
                for (int half = 0; half < 2; ++half) pairs[i][half] = pair_from_float(value(i, half, 0), value(i, half, 1));
            turn_over(pairs, buffer, warp);
            asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory"); // and who comes here has read the buffer before this one
            store_lines(buffer, first, column);
#else
#pragma unroll
            for (int i = 0; i < EIGHTS; ++i)
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    float a = value(i, half, 0), b = value(i, half, 1);
                    turn_pair(a, b);
                    store_pair(a, b, first + i * 8 + lane / 4, column + warp * WARP_COLUMNS + half * 8 + lane % 4 * 2);
                }
#endif
        }
    }

#if STAGED
    // Chunks of sixteen bytes of a token's line stand where their number, XORed with the token's, says: neither the eight tokens that are
    // written at a chunk nor the eight chunks that are read of a token meet in a bank.
    __device__ __forceinline__ static u32 place(u32 token, u32 chunk) { return token * LINE_OF_TOKEN + (chunk ^ token % 8) * 16; }

    __device__ __forceinline__ static void turn_over(const u32 (&pairs)[EIGHTS][2], u32 buffer, u32 warp)
    {
        const u32 lane = threadIdx.x % 32, half = lane / 8 % 2;
#pragma unroll
        for (int i = 0; i < EIGHTS; i += 2) {
            const u32 to = buffer + place((i + lane / 16) * 8 + lane % 8, warp * 2 + half);
            if constexpr (EIGHTS == 1)
                asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};" ::"r"(buffer + place(lane % 8, warp * 2 + half)),
                             "r"(pairs[i][0]), "r"(pairs[i][1])
                             : "memory");
            else
                asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(pairs[i][0]),
                             "r"(pairs[i][1]), "r"(pairs[(i + 1) % EIGHTS][0]), "r"(pairs[(i + 1) % EIGHTS][1])
                             : "memory");
        }
    }
    __device__ __forceinline__ void store_lines(u32 buffer, u32 token, u32 column) const
    {
        const u32 chunk = threadIdx.x % 8, own = column + chunk * 8;
#pragma unroll
        for (u32 at = threadIdx.x % 128 / 8; at < TOKENS_AT_ONCE; at += 16) {
            u32 words[4];
            asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                         : "r"(buffer + place(at, chunk))
                         : "memory");
            if (token + at >= m || own >= n) continue;
            output_t *to = y + static_cast<u64>(token + at) * n + own;
            if (n % 8 == 0) {
                *reinterpret_cast<uint4 *>(to) = make_uint4(words[0], words[1], words[2], words[3]);
                continue;
            }
#pragma unroll
            for (int i = 0; i < 8; ++i)
                if (own + i < n) to[i] = static_cast<u16>(words[i / 2] >> i % 2 * 16);
        }
    }
#else
    // `first`, `second`: a row's values of two neighbouring tokens; turned over two rows' values of one token.
    __device__ __forceinline__ static void turn_pair(float &first, float &second)
    {
        const u32 a = __float_as_uint(first), b = __float_as_uint(second);
        const u32 low = turned(__byte_perm(a, b, 0x5410)), high = turned(__byte_perm(a, b, 0x7632));
        first = __uint_as_float(__byte_perm(low, high, 0x5410));
        second = __uint_as_float(__byte_perm(low, high, 0x7632));
    }
    __device__ __forceinline__ static u32 turned(u32 pair)
    {
        u32 made;
        asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(made) : "r"(pair));
        return made;
    }
    __device__ __forceinline__ void store_pair(float first, float second, u32 token, u32 column) const
    {
        if (token >= m) return;
        output_t *to = y + static_cast<u64>(token) * n + column;
        if (n % 2 == 0) {
            if (column >= n) return;
#if OUTPUT_S8
            *reinterpret_cast<u16 *>(to) = static_cast<u16>(code_of(first, output_scale) | code_of(second, output_scale) << 8);
#else
            const Values<2> values = {first, second};
            values.pack().store(to);
#endif
            return;
        }
        if (column < n) to[0] = output_of(first, output_scale);
        if (column + 1 < n) to[1] = output_of(second, output_scale);
    }
#endif
};
