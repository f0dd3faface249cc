// Product of 8-bit operands by wgmma, fed by the tensor memory accelerator: what the int8 and the fp8 kernel share. sm_90a.
//
// Blocks stay: each takes every gridDim.x-th tile of TILE_M x TILE_N outputs. Two warpgroups multiply, each 64 rows in every
// 128 of the tile; of a third one a single thread fetches boxes of 128 bytes along k into a ring of STAGES, ahead of the
// products and across tiles. `full` barriers say that a stage's bytes are there, `empty` ones that all warps are done with it.
// Tiles are laid out by the 128-byte swizzle, and k needs no tail: what lies beyond the matrices arrives as zeros.
//
// TILE_N is 128 or 256, BLOCKS 1 or 2.
//
// PROMOTED 1: sums of fp8 products, which the unit keeps in fewer bits than f32 has, are added to f32 ones every 128 of k
// (DeepSeek-V3, arXiv 2412.19437, section 3.3.2). BLOCK_SCALES 1: and scaled there, by scales of 1 x 128 of the activation
// and 128 x 128 of the weight.
#pragma once

#include "common/ring.cuh"
#include "common/wgmma.cuh"

#include "common/product_tail.cuh"

#define TILE_M (128 * BLOCKS) // BLOCKS of 64 rows for each of the two warpgroups
#define WARPGROUP 128
#define MULTIPLIERS 2
#define THREADS ((MULTIPLIERS + 1) * WARPGROUP)
#define STEP_BYTES 32 // of k, in one product
#define STEPS (LINE_BYTES / STEP_BYTES)
#define STAGE_BYTES ((TILE_M + TILE_N) * LINE_BYTES)
#define SUMS (TILE_N / 2)
// 65536 registers: 384 threads begin with 168 each; 128 keep 40, 256 have 232.
#define PRODUCER_REGISTERS 40
#define MULTIPLIER_REGISTERS 232

#include "common/raster.cuh"

#if PROMOTED
typedef float total_t;
#else
typedef sum_t total_t;
#endif

extern __shared__ __align__(1024) u8 shared_bytes[];

struct Ring {
    u32 base; // stages, each the activation's tile and the weight's; then the barriers

    __device__ __forceinline__ u32 activation(u32 stage) const { return base + stage * STAGE_BYTES; }
    __device__ __forceinline__ u32 weight(u32 stage) const { return activation(stage) + TILE_M * LINE_BYTES; }
    __device__ __forceinline__ Barriers barriers() const { return {base + STAGES * STAGE_BYTES}; }
};

__device__ __forceinline__ void fetch_tiles(const Ring &ring, const Raster &raster, const TensorMap *activation,
                                            const TensorMap *weight, u32 lines)
{
    Turn turn = {0, 0};
    for (u32 tile = blockIdx.x; tile < raster.tiles(); tile += gridDim.x) {
        u32 row, column;
        raster.place(tile, row, column);
        for (u32 line = 0; line < lines; ++line, turn.next()) {
            const Barrier full = ring.barriers().full(turn.stage);
            ring.barriers().empty(turn.stage).wait(turn.parity ^ 1);
            full.arrive_expecting(STAGE_BYTES);
            copy_box(ring.activation(turn.stage), activation, line * LINE_BYTES, row * TILE_M, full);
            copy_box(ring.weight(turn.stage), weight, line * LINE_BYTES, column * TILE_N, full);
        }
    }
}

// A line of k of 64 rows: a group of products of its own, which stays open.
__device__ __forceinline__ void multiply_line(sum_t (&sums)[SUMS], u32 activation, u32 weight, u32 adds)
{
    const u64 a = descriptor(activation), b = descriptor(weight);
#pragma unroll
    for (int step = 0; step < STEPS; ++step) multiply(sums, a + step * (STEP_BYTES >> 4), b + step * (STEP_BYTES >> 4), adds | step);
}

struct Consumer {
    Ring ring;
    u32 group; // 0 or 1
    Turn turn;

    // Rows of block i begin here within the tile.
    __device__ __forceinline__ u32 first_row(int i) const { return (i * MULTIPLIERS + group) * 64; }
    __device__ __forceinline__ u32 activation(int i) const { return ring.activation(turn.stage) + first_row(i) * LINE_BYTES; }
    // One arrival a warp: it is done with its own part of a product only.
    __device__ __forceinline__ void release(u32 stage) const
    {
        if (threadIdx.x % 32 == 0) ring.barriers().empty(stage).arrive();
    }

    // Sums stay in the tensor cores' registers over all of k; a stage is given back when the next one's products are under way.
    __device__ __forceinline__ void sum(sum_t (&sums)[BLOCKS][SUMS], u32 lines)
    {
        u32 before = 0;
        for (u32 line = 0; line < lines; ++line, turn.next()) {
            ring.barriers().full(turn.stage).wait(turn.parity);
            open_products();
#pragma unroll
            for (int i = 0; i < BLOCKS; ++i) multiply_line(sums[i], activation(i), ring.weight(turn.stage), line);
            close_products();
            if (line) {
                wait_products<1>();
                release(before);
            }
            before = turn.stage;
        }
        wait_products<0>();
        release(before);
#pragma unroll
        for (int i = 0; i < BLOCKS; ++i) pin(sums[i]);
    }

#if PROMOTED
    // A line's sums are added to `total`; meanwhile the other warpgroup's products have the unit for themselves. Scales of a line are
    // asked for while the line before is multiplied: they come from as far as the L2 cache.
    template <typename Scales>
    __device__ __forceinline__ void sum_promoted(float (&total)[BLOCKS][SUMS], u32 lines, const Scales &scales)
    {
        sum_t sums[SUMS];
        float2 next[BLOCKS];
#pragma unroll
        for (int i = 0; i < BLOCKS; ++i) next[i] = scales(i, 0);
        for (u32 line = 0; line < lines; ++line, turn.next()) {
            ring.barriers().full(turn.stage).wait(turn.parity);
#pragma unroll
            for (int i = 0; i < BLOCKS; ++i) {
                pin(sums);
                open_products();
                multiply_line(sums, activation(i), ring.weight(turn.stage), 0);
                close_products();
                const float2 scale = next[i];
                next[i] = scales(i, min(line + 1, lines - 1));
                wait_products<0>();
                pin(sums);
                if (i == BLOCKS - 1) release(turn.stage);
#pragma unroll
                for (int at = 0; at < SUMS; ++at) {
#if BLOCK_SCALES
                    total[i][at] = __fmaf_rn(sums[at], at / 2 % 2 ? scale.y : scale.x, total[i][at]);
#else
                    total[i][at] += sums[at];
#endif
                }
            }
        }
    }
#endif
};

// Sums of a block of 64 rows: register 4 j + 2 h + e is column 8 j + 2 (lane % 4) + e of row 16 warp + lane / 4 + 8 h.
template <typename Sum> __device__ __forceinline__ void put_block(const Tail &tail, const Sum (&sums)[SUMS], u32 row, u32 column)
{
    const u32 lane = threadIdx.x % 32, own_row = row + threadIdx.x % WARPGROUP / 32 * 16 + lane / 4;
#if !BLOCK_SCALES
    const Row rows[2] = {tail.row(own_row), tail.row(own_row + 8)};
#endif
#pragma unroll
    for (int group = 0; group < TILE_N / GROUP_COLUMNS; ++group) {
        const u32 own_column = column + group * GROUP_COLUMNS + lane % 4 * OWN_COLUMNS;
#if !BLOCK_SCALES
        const Columns columns = tail.columns(own_column);
#endif
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const auto at = [&](int i) { return sums[(group * 4 + i / 2) * 4 + half * 2 + i % 2]; };
#if BLOCK_SCALES
            tail.put_scaled(own_row + half * 8, own_column, at);
#else
            tail.put<Sum>(own_row + half * 8, rows[half], own_column, columns, at);
#endif
        }
    }
}

// `row_scales` and `column_scales` of BLOCK_SCALES are [lines, m] and [columns / 128, lines].
__device__ __forceinline__ void multiply_tiles(const Ring &ring, const Raster &raster, const Tail &tail, u32 lines, u32 group)
{
    Consumer consumer = {ring, group, {0, 0}};
    for (u32 tile = blockIdx.x; tile < raster.tiles(); tile += gridDim.x) {
        u32 row, column;
        raster.place(tile, row, column);
        const u32 first_row = row * TILE_M, first_column = column * TILE_N;
#if PROMOTED
        total_t sums[BLOCKS][SUMS] = {};
        consumer.sum_promoted(sums, lines, [&](int i, u32 line) {
#if BLOCK_SCALES
            const u32 own = first_row + consumer.first_row(i) + threadIdx.x % WARPGROUP / 32 * 16 + threadIdx.x % 32 / 4;
            const float *of_rows = tail.row_scales + static_cast<u64>(line) * tail.m;
            const float of_columns = __ldg(tail.column_scales + column * lines + line);
            return make_float2(own < tail.m ? __ldg(of_rows + own) * of_columns : 0.0f,
                               own + 8 < tail.m ? __ldg(of_rows + own + 8) * of_columns : 0.0f);
#else
            return make_float2(1.0f, 1.0f);
#endif
        });
#else
        total_t sums[BLOCKS][SUMS];
        consumer.sum(sums, lines);
#endif
#pragma unroll
        for (int i = 0; i < BLOCKS; ++i) put_block(tail, sums[i], first_row + consumer.first_row(i), first_column);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
gemm(const __grid_constant__ TensorMap activation, const __grid_constant__ TensorMap weight,
     const float *__restrict__ row_scales, const float *__restrict__ column_scales, const int *__restrict__ zero_points,
     const int *__restrict__ column_sums, output_t *__restrict__ y, u32 m, u32 n, u32 pitch, u32 row_stride,
     const float *__restrict__ bias, float output_scale)
{
    // The swizzle asks for tiles at multiples of 1024 bytes: room for that is part of what is asked for.
    const Ring ring = {(shared_address(shared_bytes) + ATOM_BYTES - 1) / ATOM_BYTES * ATOM_BYTES};
    const Raster raster = {(m + TILE_M - 1) / TILE_M, (n + TILE_N - 1) / TILE_N};
    const u32 lines = (pitch + LINE_BYTES - 1) / LINE_BYTES;
    const u32 group = __shfl_sync(0xFFFFFFFF, threadIdx.x / WARPGROUP, 0); // known to be the same all through a warp

    ring.barriers().begin(MULTIPLIERS * WARPGROUP / 32);

    if (group == MULTIPLIERS) {
        give_registers_back<PRODUCER_REGISTERS>();
        if (threadIdx.x % WARPGROUP == 0) {
            prefetch_map(&activation);
            prefetch_map(&weight);
            fetch_tiles(ring, raster, &activation, &weight, lines);
        }
    } else {
        take_registers<MULTIPLIER_REGISTERS>();
        const Tail tail = {y, row_scales, column_scales, zero_points, column_sums, m, n, row_stride, bias, output_scale};
        multiply_tiles(ring, raster, tail, lines, group);
    }
}
