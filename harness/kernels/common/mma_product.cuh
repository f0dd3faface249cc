// Product on the tensor cores by mma.sync: int8 (m16n8k32), or with BINARY 1 bits, of which those are counted that both operands have
// (m16n8k256, AND and population count); fragments lie alike, byte for byte. A block makes TILE_M x TILE_N outputs, a warp 64 x 64 of
// them. Tiles of DEPTH bytes along k arrive by cp.async in a ring of STAGES in dynamic shared memory.
//
// A line of shared memory (128 bytes, all banks once) holds LINE_ROWS rows of a tile. The 16-byte chunk of a row stands where
// its number, XORed with the number of the line modulo the chunks of a row, says: the eight rows that a phase of ldmatrix reads
// at one chunk fall on eight different groups of banks, and so do the eight chunks that a quarter of a warp writes.
//
// A_TYPE: the activation's codes, "s8", "u8" or "b1". DEPTH is 64 or 128.
#pragma once

#include "common/tile.cuh"

#include "common/product_tail.cuh"

#define TILE_M 128
#define TILE_N 128
#define WARP 64
#define THREADS (TILE_M / WARP * TILE_N / WARP * 32)
#define CHUNKS (DEPTH / 16)
#define LINE_ROWS (128 / DEPTH)
#define STAGE_BYTES ((TILE_M + TILE_N) * DEPTH)
#define STEP_BYTES 32 // of k, in one mma
#define ROWS (WARP / 16)
#define COLUMNS (WARP / 8)
#if BINARY
#define MULTIPLY "mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc"
#else
#define MULTIPLY "mma.sync.aligned.m16n8k32.row.col.s32." A_TYPE ".s8.s32"
#endif

#include "common/raster.cuh"

extern __shared__ __align__(128) u8 ring[];

__device__ __forceinline__ u32 place(u32 row, u32 chunk) { return row * DEPTH + (chunk ^ row / LINE_ROWS % CHUNKS) * 16; }

__device__ __forceinline__ void fill(u8 *tile, const u8 *matrix, u32 first, u32 rows, u32 pitch, u32 byte)
{
#pragma unroll
    for (int i = 0; i < TILE_M * CHUNKS / THREADS; ++i) {
        const u32 index = threadIdx.x + i * THREADS;
        const u32 row = index / CHUNKS, chunk = index % CHUNKS;
        copy_chunk(tile + place(row, chunk), matrix, first + row, rows, pitch, byte + chunk * 16);
    }
}

__device__ __forceinline__ void load_matrices(u32 (&to)[4], u32 address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
}

// One step of 32 bytes along k: fragments are as PTX ISA, "matrix fragments for mma.m16n8k32", lays them out.
struct Step {
    u32 a[ROWS][4];        // rows 0-7 and 8-15 of the first 16 bytes, then of the others
    u32 b[COLUMNS / 2][4]; // columns 0-7: both halves of k; then columns 8-15

    __device__ __forceinline__ void load(u32 tile_a, u32 tile_b, u32 chunk)
    {
        const u32 lane = threadIdx.x % 32;
#pragma unroll
        for (int i = 0; i < ROWS; ++i) load_matrices(a[i], tile_a + place(i * 16 + lane % 16, chunk + lane / 16));
#pragma unroll
        for (int j = 0; j < COLUMNS / 2; ++j)
            load_matrices(b[j], tile_b + place(j * 16 + lane / 16 * 8 + lane % 8, chunk + lane / 8 % 2));
    }
    __device__ __forceinline__ void multiply(int (&sums)[ROWS][COLUMNS][4]) const
    {
#pragma unroll
        for (int i = 0; i < ROWS; ++i)
#pragma unroll
            for (int j = 0; j < COLUMNS; ++j) {
                int(&d)[4] = sums[i][j];
                asm volatile(MULTIPLY " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                             : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                             : "r"(a[i][0]), "r"(a[i][1]), "r"(a[i][2]), "r"(a[i][3]), "r"(b[j / 2][j % 2 * 2]),
                               "r"(b[j / 2][j % 2 * 2 + 1]));
            }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, 2)
gemm(const u8 *__restrict__ activation, const u8 *__restrict__ weight, const float *__restrict__ row_scales,
     const float *__restrict__ column_scales, const int *__restrict__ zero_points, const int *__restrict__ column_sums,
     output_t *__restrict__ y, u32 m, u32 n, u32 pitch, u32 row_stride,
     const float *__restrict__ bias, float output_scale)
{
    const Raster raster = {(m + TILE_M - 1) / TILE_M, (n + TILE_N - 1) / TILE_N};
    u32 row_of_tiles, column_of_tiles;
    raster.place(blockIdx.x, row_of_tiles, column_of_tiles);
    const u32 first_row = row_of_tiles * TILE_M, first_column = column_of_tiles * TILE_N;
    const u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const u32 warp_row = warp / (TILE_N / WARP) * WARP, warp_column = warp % (TILE_N / WARP) * WARP;
    const u32 tiles = pitch / DEPTH, whole_n = raster.columns * TILE_N; // the weight has room for whole tiles
    const u32 base = static_cast<u32>(__cvta_generic_to_shared(ring));
    int sums[ROWS][COLUMNS][4] = {};

    const auto fetch = [&](u32 tile, u32 stage) {
        if (tile < tiles) {
            u8 *to = ring + stage * STAGE_BYTES;
            fill(to, activation, first_row, m, pitch, tile * DEPTH);
            fill(to + TILE_M * DEPTH, weight, first_column, whole_n, pitch, tile * DEPTH);
        }
        close_group(); // an empty one too: groups are counted
    };
    for (u32 tile = 0; tile < STAGES - 1; ++tile) fetch(tile, tile);
    u32 now = 0, next = STAGES - 1;
    for (u32 tile = 0; tile < tiles; ++tile) {
        wait_groups<STAGES - 2>();
        __syncthreads(); // everyone's part of this stage has arrived, and the one to be filled next is free
        fetch(tile + STAGES - 1, next);
        // 64 rows are whole lines and whole rounds of the XOR: a warp's part of a tile is laid out as the tile is.
        const u32 tile_a = base + now * STAGE_BYTES + warp_row * DEPTH;
        const u32 tile_b = base + now * STAGE_BYTES + (TILE_M + warp_column) * DEPTH;
#pragma unroll
        for (int chunk = 0; chunk < CHUNKS; chunk += STEP_BYTES / 16) {
            Step step;
            step.load(tile_a, tile_b, chunk);
            step.multiply(sums);
        }
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
    }

    const Tail tail = {y, row_scales, column_scales, zero_points, column_sums, m, n, row_stride, bias, output_scale};
#pragma unroll
    for (int group = 0; group < WARP / GROUP_COLUMNS; ++group) {
        const u32 column = first_column + warp_column + group * GROUP_COLUMNS + lane % 4 * OWN_COLUMNS;
        const Columns columns = tail.columns(column);
#pragma unroll
        for (int i = 0; i < ROWS; ++i)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const u32 row = first_row + warp_row + i * 16 + lane / 4 + half * 8;
                tail.put<int>(row, tail.row(row), column, columns,
                              [&](int at) { return sums[i][group * 4 + at / 2][half * 2 + at % 2]; });
            }
    }
}
