// Product on the ordinary cores, a word of both operands at a time: four int8 by DP4A, or with BINARY 1 thirty-two bits, of which those
// are counted that differ: of values ±1, over k places, the product is k less twice their number.
//
// A block makes 128 x 128 outputs, a thread 8 x 8 of them: its two halves of four rows lie 64 apart, and so do its columns,
// so that a warp reads shared memory without conflicts. Tiles of 64 bytes along k go through registers into the other
// of two buffers while the current one is multiplied.
#pragma once

#include "common/tile.cuh"

#define TILE 128
#define DEPTH 64
#define WORDS (DEPTH / 4)
#define THREADS 256
#define PITCH (TILE + 4) // words; keeps the transposing stores of a warp in different banks
#define CHUNKS (TILE * DEPTH / 16 / THREADS)

__device__ __forceinline__ int add_word(u32 x, u32 w, int sum)
{
#if BINARY
    return sum + __popc(x ^ w);
#else
    return __dp4a(static_cast<int>(x), static_cast<int>(w), sum);
#endif
}

struct Tile { u32 word[WORDS][PITCH]; };

// Each thread moves CHUNKS pieces of 16 bytes: neighbouring threads take neighbouring rows.
struct Mover {
    uint4 chunk[CHUNKS];

    __device__ __forceinline__ void fetch(const u8 *matrix, u32 first, u32 rows, u32 pitch, u32 byte)
    {
#pragma unroll
        for (int i = 0; i < CHUNKS; ++i) {
            const u32 index = threadIdx.x + i * THREADS;
            chunk[i] = load_chunk(matrix, first + index % TILE, rows, pitch, byte + index / TILE * 16);
        }
    }
    __device__ __forceinline__ void put(Tile &tile) const
    {
#pragma unroll
        for (int i = 0; i < CHUNKS; ++i) {
            const u32 index = threadIdx.x + i * THREADS;
            const u32 row = index % TILE, word = index / TILE * 4;
            tile.word[word + 0][row] = chunk[i].x;
            tile.word[word + 1][row] = chunk[i].y;
            tile.word[word + 2][row] = chunk[i].z;
            tile.word[word + 3][row] = chunk[i].w;
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, 2)
gemm(const u8 *__restrict__ activation, const u8 *__restrict__ weight, const float *__restrict__ row_scales,
     const float *__restrict__ column_scales, float *__restrict__ y, u32 m, u32 n, u32 pitch, u32 row_stride,
     u32 column_stride
#if BINARY
     ,
     u32 k
#endif
)
{
    __shared__ Tile a[2], b[2];
    const u32 first_row = blockIdx.y * TILE, first_column = blockIdx.x * TILE;
    const u32 rows = threadIdx.x / 16 * 4, columns = threadIdx.x % 16 * 4;
    int sums[8][8] = {};
    Mover from_a, from_b;

    from_a.fetch(activation, first_row, m, pitch, 0);
    from_b.fetch(weight, first_column, n, pitch, 0);
    for (u32 byte = 0, now = 0; byte < pitch; byte += DEPTH, now ^= 1) {
        from_a.put(a[now]);
        from_b.put(b[now]);
        __syncthreads();
        if (byte + DEPTH < pitch) {
            from_a.fetch(activation, first_row, m, pitch, byte + DEPTH);
            from_b.fetch(weight, first_column, n, pitch, byte + DEPTH);
        }
#pragma unroll(BINARY ? 4 : WORDS) // all of them would spill
        for (int word = 0; word < WORDS; ++word) {
            int x[8], w[8];
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                *reinterpret_cast<int4 *>(x + 4 * half) = *reinterpret_cast<const int4 *>(&a[now].word[word][rows + 64 * half]);
                *reinterpret_cast<int4 *>(w + 4 * half) = *reinterpret_cast<const int4 *>(&b[now].word[word][columns + 64 * half]);
            }
#pragma unroll
            for (int i = 0; i < 8; ++i)
#pragma unroll
                for (int j = 0; j < 8; ++j) sums[i][j] = add_word(x[i], w[j], sums[i][j]);
        }
    }

    const Epilogue epilogue = {y, row_scales, column_scales, m, n, row_stride, column_stride};
#pragma unroll
    for (int i = 0; i < 8; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) {
#if BINARY
            const int sum = static_cast<int>(k) - 2 * sums[i][j];
#else
            const int sum = sums[i][j];
#endif
            epilogue.put(sum, first_row + rows + i % 4 + i / 4 * 64, first_column + columns + j % 4 + j / 4 * 64);
        }
}
