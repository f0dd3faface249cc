// yᵀ = w xᵀ by wgmma on int8 values or on bits: rows of the weight are what the tensor cores take 64 at a time, tokens their columns, 8 to 256
// (TILE_T). For few tokens, where tiles of 128 of them would be idle, and for weights that are unpacked in registers, which only
// the rows' operand may come from. sm_90a.
//
// The weight lies as tiles of TILE_W rows by lines of 128 bytes along k, each as it is read, so that one copy of neighbouring bytes
// fetches it (``prepared.py``). PACKED 1: int4, two codes a byte in the order of fragments: a nibble moved to the upper half of its
// byte is sixteen times its code, so that a word of eight takes three operations; scales make up for the sixteen. 0: int8 codes in
// the 128-byte swizzle; with BINARY 1 eight codes ±1 a byte, 1 for +1.
//
// GROUPED 1: the packed weight has a scale a row and line, in f32 (less the sixteen), which lie behind its codes: a line's whole sums
// are scaled and added up in f32. TILE_T is 128 at most then, as both take registers.
//
// Blocks stay. Two warpgroups multiply, each 64 rows of the tile's 128; of a third one a thread fetches lines into a ring of STAGES,
// ahead of the products. Tiles of 128 x TILE_T outputs are shared out as common/pieces.cuh says.
#pragma once

#include "common/ring.cuh"
#include "common/wgmma_narrow.cuh"

#include "common/transposed_tail.cuh"

#define MULTIPLIERS 2
#define THREADS ((MULTIPLIERS + 1) * WARPGROUP)
#define BLOCK_ROWS 64
#define TILE_W (MULTIPLIERS * BLOCK_ROWS)
#define STEP_BYTES 32
#define STEPS (LINE_BYTES / STEP_BYTES)
#define CODE_BYTES (TILE_W * LINE_BYTES / (PACKED ? 2 : 1))
#define WEIGHT_BYTES (CODE_BYTES + (GROUPED ? TILE_W * 4 : 0))
#define WEIGHT_ROOM ((WEIGHT_BYTES + ATOM_BYTES - 1) / ATOM_BYTES * ATOM_BYTES)
#define TOKEN_BYTES (TILE_T * LINE_BYTES)
#define STAGE_BYTES (WEIGHT_ROOM + TOKEN_BYTES)
#define SUMS (TILE_T / 2)
#if GROUPED
typedef float sum_t;
#else
typedef int sum_t;
#endif
// 65536 registers: 384 threads begin with 168 each; 128 keep 40, 256 have 232.
#define PRODUCER_REGISTERS 40
#define MULTIPLIER_REGISTERS 232

// Bands of RASTER_ROWS tokens, as in common/raster.cuh.
#define TILE_M TILE_T
#include "common/raster.cuh"

#define PARTS MULTIPLIERS
#include "common/shared_tiles.cuh"

extern __shared__ __align__(1024) u8 shared_bytes[];

struct Ring {
    u32 base; // stages, each the tokens' tile and the weight's; what outputs are turned over in; then the barriers

    __device__ __forceinline__ u32 tokens(u32 stage) const { return base + stage * STAGE_BYTES; }
    __device__ __forceinline__ u32 weight(u32 stage) const { return tokens(stage) + TOKEN_BYTES; }
    __device__ __forceinline__ u32 turns(u32 group) const { return base + STAGES * STAGE_BYTES + group * 2 * TURN_BYTES; }
    __device__ __forceinline__ Barriers barriers() const { return {turns(MULTIPLIERS)}; }
};

__device__ __forceinline__ void fetch_pieces(const Ring &ring, const Raster &raster, Pieces pieces, const TensorMap *tokens,
                                             const u8 *weight)
{
    Turn turn = {0, 0};
    for (Piece piece; pieces.next(piece);) {
        u32 row, column;
        raster.place(piece.tile, row, column);
        for (u32 line = piece.first; line < piece.end; ++line, turn.next()) {
            const Barrier full = ring.barriers().full(turn.stage);
            ring.barriers().empty(turn.stage).wait(turn.parity ^ 1);
            full.arrive_expecting(WEIGHT_BYTES + TOKEN_BYTES);
            const u8 *from = weight + (static_cast<u64>(column) * pieces.lines + line) * WEIGHT_BYTES;
            copy_bytes(ring.weight(turn.stage), from, WEIGHT_BYTES, full);
            copy_box(ring.tokens(turn.stage), tokens, line * LINE_BYTES, row * TILE_T, full);
        }
    }
}

struct Consumer {
    Ring ring;
    u32 group; // 0 or 1
    Turn turn;

    // One arrival a warp: it is done with its own part of a product only.
    __device__ __forceinline__ void release(u32 stage) const
    {
        if (threadIdx.x % 32 == 0) ring.barriers().empty(stage).arrive();
    }

#if PACKED
    // A thread's codes of a line, still packed: sixteen bytes are two steps of k.
    __device__ __forceinline__ void load(u32 (&words)[STEPS * 2]) const
    {
        const u32 from = ring.weight(turn.stage) + group * (BLOCK_ROWS * LINE_BYTES / 2) + threadIdx.x % WARPGROUP * 16;
#pragma unroll
        for (int two = 0; two < STEPS / 2; ++two) {
            u32 *to = words + two * 4;
            asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                         : "r"(from + two * WARPGROUP * 16)
                         : "memory");
        }
    }

    // Codes of a line as the products take them.
    __device__ __forceinline__ static void unpack(u32 (&rows)[STEPS][4], const u32 (&words)[STEPS * 2])
    {
#pragma unroll
        for (int step = 0; step < STEPS; ++step) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                rows[step][half] = words[step * 2 + half] << 4 & 0xF0F0F0F0u;
                rows[step][half + 2] = words[step * 2 + half] & 0xF0F0F0F0u;
            }
            pin(rows[step]);
        }
    }
#if GROUPED
    // Scales of a thread's two rows, of the line that is next.
    __device__ __forceinline__ void load_scales(float (&scale)[2]) const
    {
        const u32 place = group * BLOCK_ROWS + threadIdx.x % WARPGROUP / 32 * WARP_COLUMNS + threadIdx.x % 32 / 4;
        const u32 from = ring.weight(turn.stage) + CODE_BYTES + place * 4;
        asm volatile("ld.shared.f32 %0, [%1];" : "=f"(scale[0]) : "r"(from) : "memory");
        asm volatile("ld.shared.f32 %0, [%1];" : "=f"(scale[1]) : "r"(from + 8 * 4) : "memory");
    }
#endif

    // The next line is loaded while one is multiplied, but unpacked only when that is done: the compiler lets products wait for each
    // other where registers that one takes are written while another one is under way. The other warpgroup has the unit meanwhile.
    __device__ __forceinline__ void sum(sum_t (&total)[SUMS], u32 lines)
    {
        u32 words[STEPS * 2];
        ring.barriers().full(turn.stage).wait(turn.parity);
        load(words);
#if GROUPED
        int sums[SUMS];
        float scale[2];
        load_scales(scale);
#pragma unroll
        for (int i = 0; i < SUMS; ++i) total[i] = 0.0f;
#else
        int(&sums)[SUMS] = total;
#endif
        for (u32 i = 0; i < lines; ++i) {
            u32 rows[STEPS][4];
            unpack(rows, words);
            const u32 stage = turn.stage;
            const u64 b = descriptor(ring.tokens(stage));
#if GROUPED
            const u32 adds = 0;
            const float now[2] = {scale[0], scale[1]};
#else
            const u32 adds = i;
#endif
            open_products();
#pragma unroll
            for (int step = 0; step < STEPS; ++step) multiply(sums, rows[step], b + step * (STEP_BYTES >> 4), adds | step);
            close_products();
            turn.next();
            if (i + 1 < lines) {
                ring.barriers().full(turn.stage).wait(turn.parity);
                load(words);
#if GROUPED
                load_scales(scale);
#endif
            }
            wait_products<0>();
            pin(sums);
            release(stage);
#if GROUPED
#pragma unroll
            for (int at = 0; at < SUMS; ++at) total[at] = __fmaf_rn(static_cast<float>(sums[at]), now[at / 2 % 2], total[at]);
#endif
        }
    }
#else
    __device__ __forceinline__ void sum(sum_t (&sums)[SUMS], u32 lines)
    {
        u32 before = 0;
        for (u32 i = 0; i < lines; ++i, turn.next()) {
            ring.barriers().full(turn.stage).wait(turn.parity);
            const u64 a = descriptor(ring.weight(turn.stage) + group * BLOCK_ROWS * LINE_BYTES);
            const u64 b = descriptor(ring.tokens(turn.stage));
            open_products();
#pragma unroll
            for (int step = 0; step < STEPS; ++step)
                multiply(sums, a + step * (STEP_BYTES >> 4), b + step * (STEP_BYTES >> 4), i | step);
            close_products();
            wait_products<1>();
            if (i) release(before);
            before = turn.stage;
        }
        wait_products<0>();
        release(before);
        pin(sums);
    }
#endif
};

extern "C" __global__ void __launch_bounds__(THREADS, 1)
gemm(const __grid_constant__ TensorMap tokens, const u8 *__restrict__ weight, const float *__restrict__ row_scales,
     const float *__restrict__ column_scales, const int *__restrict__ zero_points, const int *__restrict__ column_sums,
     output_t *__restrict__ y, u32 m, u32 n, u32 pitch, u32 row_stride, const float *__restrict__ bias, float output_scale,
     sum_t *__restrict__ parts, u32 *__restrict__ done)
{
    // The swizzle asks for tiles at multiples of 1024 bytes: room for that is part of what is asked for.
    const Ring ring = {(shared_address(shared_bytes) + ATOM_BYTES - 1) / ATOM_BYTES * ATOM_BYTES};
    const Raster raster = {(m + TILE_T - 1) / TILE_T, (n + TILE_W - 1) / TILE_W};
    Pieces pieces(raster.tiles(), pitch / LINE_BYTES);
    const u32 group = __shfl_sync(0xFFFFFFFF, threadIdx.x / WARPGROUP, 0); // known to be the same all through a warp
    __shared__ u32 last[MULTIPLIERS];

    if (group == MULTIPLIERS) {
        give_registers_back<PRODUCER_REGISTERS>();
        if (threadIdx.x % WARPGROUP == 0) {
            ring.barriers().init(MULTIPLIERS * WARPGROUP / 32);
            prefetch_map(&tokens);
        }
        __syncwarp();
        asm volatile("bar.arrive 0, %0;" ::"n"(THREADS) : "memory"); // copies begin before the others are here
        if (threadIdx.x % WARPGROUP == 0) fetch_pieces(ring, raster, pieces, &tokens, weight);
        return;
    }
    take_registers<MULTIPLIER_REGISTERS>();
    asm volatile("bar.sync 0, %0;" ::"n"(THREADS) : "memory"); // nobody waits for a barrier that is not there
    TransposedTail tail = {y, row_scales, column_scales, zero_points, column_sums, m, n, row_stride, bias, output_scale,
                           ring.turns(group), group, 0};
    Consumer consumer = {ring, group, {0, 0}};
    const Parts<sum_t> shared = {parts, done, last};
    for (Piece piece; pieces.next(piece);) {
        u32 row, column;
        raster.place(piece.tile, row, column);
        const u32 first = column * TILE_W + group * BLOCK_ROWS;
        tail.prefetch(first);
        sum_t sums[SUMS];
        consumer.sum(sums, piece.lines());
        if (piece.lines() < pieces.lines && !shared.add(sums, piece, pieces, group, group)) continue;
        tail.put(sums, row * TILE_T, first);
    }
}
