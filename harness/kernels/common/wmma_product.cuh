// Tensor-core product of codes through WMMA (16 x 16 x 16, s8 x s8 -> s32), shared by the int8 and the packed int4 kernel.
//
// A block makes TILE_M x TILE_N outputs with eight warps of 64 x 32. Tiles of 64 bytes along k arrive by cp.async in a
// ring of STAGES. In shared memory a tile lies in slices of 16 bytes along k: a fragment is 256 bytes in one piece, aligned
// as WMMA asks and free of bank conflicts.
//
// PACKED 1: a byte holds two int4 codes. Shifted into the upper nibble each is an int8 of 16 times its value, so a byte of
// each operand is worth two products, and the sums come out 256 times too large: exact while k * 64 * 256 < 2^31.
#pragma once

#include <mma.h>

#include "common/tile.cuh"

#define TILE_M 128
#define TILE_N 128
#define DEPTH 64
#ifndef STAGES
#define STAGES 3
#endif
#define THREADS 256
#define WARP_M 64
#define WARP_N 32
#define ROWS (WARP_M / 16)
#define COLUMNS (WARP_N / 16)
#define SLICES (DEPTH / 16)

using namespace nvcuda;

typedef wmma::fragment<wmma::matrix_a, 16, 16, 16, s8, wmma::row_major> FragmentA;
typedef wmma::fragment<wmma::matrix_b, 16, 16, 16, s8, wmma::col_major> FragmentB;
typedef wmma::fragment<wmma::accumulator, 16, 16, 16, int> Sums;

struct __align__(128) Stage {
    s8 a[SLICES][TILE_M][16];
    s8 b[SLICES][TILE_N][16];
};

template <int TILE_ROWS>
__device__ __forceinline__ void fill(s8 (*slices)[TILE_ROWS][16], const u8 *matrix, u32 first, u32 rows, u32 pitch, u32 byte)
{
#pragma unroll
    for (int i = 0; i < TILE_ROWS * SLICES / THREADS; ++i) {
        const u32 index = threadIdx.x + i * THREADS;
        // Two threads take the two halves of a 32-byte sector; 16 rows of a warp then fall on few banks twice at most.
        const u32 row = index / 2 % TILE_ROWS, slice = index % 2 + index / 2 / TILE_ROWS * 2;
        copy_chunk(slices[slice][row], matrix, first + row, rows, pitch, byte + slice * 16);
    }
}

// The upper (or lower, shifted up) nibbles of a fragment's bytes.
template <bool UPPER, typename Fragment> __device__ __forceinline__ Fragment nibbles(const Fragment &packed)
{
    Fragment made;
    const u32 *from = reinterpret_cast<const u32 *>(packed.x);
    u32 *to = reinterpret_cast<u32 *>(made.x);
#pragma unroll
    for (int i = 0; i < Fragment::num_elements / 4; ++i) to[i] = (UPPER ? from[i] : from[i] << 4) & 0xF0F0F0F0u;
    return made;
}

__device__ __forceinline__ void multiply(const Stage &stage, u32 warp_row, u32 warp_column, Sums (&sums)[ROWS][COLUMNS])
{
#pragma unroll
    for (int slice = 0; slice < SLICES; ++slice) {
        FragmentA a[ROWS];
        FragmentB b[COLUMNS];
#pragma unroll
        for (int i = 0; i < ROWS; ++i) wmma::load_matrix_sync(a[i], stage.a[slice][warp_row + i * 16], 16);
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) wmma::load_matrix_sync(b[j], stage.b[slice][warp_column + j * 16], 16);
#if PACKED
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) {
            const FragmentB lower = nibbles<false>(b[j]), upper = nibbles<true>(b[j]);
#pragma unroll
            for (int i = 0; i < ROWS; ++i) {
                wmma::mma_sync(sums[i][j], nibbles<false>(a[i]), lower, sums[i][j]);
                wmma::mma_sync(sums[i][j], nibbles<true>(a[i]), upper, sums[i][j]);
            }
        }
#else
#pragma unroll
        for (int i = 0; i < ROWS; ++i)
#pragma unroll
            for (int j = 0; j < COLUMNS; ++j) wmma::mma_sync(sums[i][j], a[i], b[j], sums[i][j]);
#endif
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
gemm(const u8 *__restrict__ activation, const u8 *__restrict__ weight, const float *__restrict__ row_scales,
     const float *__restrict__ column_scales, float *__restrict__ y, u32 m, u32 n, u32 pitch, u32 row_stride,
     u32 column_stride)
{
    __shared__ Stage stages[STAGES];
    const u32 first_row = blockIdx.y * TILE_M, first_column = blockIdx.x * TILE_N;
    const u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const u32 warp_row = warp / (TILE_N / WARP_N) * WARP_M, warp_column = warp % (TILE_N / WARP_N) * WARP_N;
    const u32 tiles = pitch / DEPTH;

    Sums sums[ROWS][COLUMNS];
#pragma unroll
    for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) wmma::fill_fragment(sums[i][j], 0);

    for (u32 tile = 0; tile < STAGES - 1; ++tile) {
        if (tile < tiles) {
            fill<TILE_M>(stages[tile].a, activation, first_row, m, pitch, tile * DEPTH);
            fill<TILE_N>(stages[tile].b, weight, first_column, n, pitch, tile * DEPTH);
        }
        close_group();
    }
    u32 now = 0, next = STAGES - 1;
    for (u32 tile = 0; tile < tiles; ++tile) {
        wait_groups<STAGES - 2>();
        __syncthreads(); // everyone's part of this stage has arrived, and the one to be filled next is free
        if (tile + STAGES - 1 < tiles) {
            fill<TILE_M>(stages[next].a, activation, first_row, m, pitch, (tile + STAGES - 1) * DEPTH);
            fill<TILE_N>(stages[next].b, weight, first_column, n, pitch, (tile + STAGES - 1) * DEPTH);
        }
        close_group();
        multiply(stages[now], warp_row, warp_column, sums);
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
    }
    wait_groups<0>();
    __syncthreads(); // the stages are scratch from here on

    const Epilogue epilogue = {y, row_scales, column_scales, m, n, row_stride, column_stride};
    int *scratch = reinterpret_cast<int *>(stages) + warp * 256;
#pragma unroll
    for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) {
            wmma::store_matrix_sync(scratch, sums[i][j], 16, wmma::mem_row_major);
            __syncwarp();
#pragma unroll 2
            for (u32 element = lane; element < 256; element += 32) {
                const int sum = PACKED ? scratch[element] >> 8 : scratch[element];
                epilogue.put(sum, first_row + warp_row + i * 16 + element / 16, first_column + warp_column + j * 16 + element % 16);
            }
            __syncwarp();
        }
}
