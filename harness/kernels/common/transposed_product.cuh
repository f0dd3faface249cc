// yᵀ = w xᵀ by wgmma on int8 values or on bits: rows of the weight are what the tensor cores take 64 at a time, tokens their columns, 8 to 256
// (TILE_T). For few tokens, where tiles of 128 of them would be idle, and for weights that are unpacked in registers, which only
// the rows' operand may come from. sm_90a.
//
// PACKED 1: the weight is int4, two codes a byte in the order of fragments (``prepared.py``): a nibble moved to the upper half of
// its byte is sixteen times its code, so that a word of eight takes three operations; scales make up for the sixteen. 0: int8 codes,
// a row after another, through shared memory; with BITS 1 eight codes ±1 a byte, 1 for +1.
//
// Blocks stay. Two warpgroups multiply, each 64 rows of the weight's 128; of a third one a thread fetches lines of 128 along k
// into a ring of STAGES, ahead of the products. SPLIT 0: a block takes every gridDim.x-th tile of 128 x TILE_T outputs. SPLIT 1:
// blocks take equal shares of all tiles' lines, so that none is idle (stream-K, arXiv 2301.03598): what several have of a tile
// is left in `parts`, and who ends last adds it up.
#pragma once

#include "common/wgmma_narrow.cuh"

#include "common/transposed_tail.cuh"

#define WARPGROUP 128
#define MULTIPLIERS 2
#define THREADS ((MULTIPLIERS + 1) * WARPGROUP)
#define BLOCK_ROWS 64
#define TILE_W (MULTIPLIERS * BLOCK_ROWS)
#define STEP_BYTES 32
#define STEPS (LINE_BYTES / STEP_BYTES)
#define WEIGHT_BYTES (TILE_W * LINE_BYTES / (PACKED ? 2 : 1))
#define TOKEN_BYTES (TILE_T * LINE_BYTES)
#define STAGE_BYTES (WEIGHT_BYTES + TOKEN_BYTES)
#define SUMS (TILE_T / 2)
// 65536 registers: 384 threads begin with 168 each; 128 keep 40, 256 have 232.
#define PRODUCER_REGISTERS 40
#define MULTIPLIER_REGISTERS 232

// Bands of RASTER_ROWS tokens, as in common/raster.cuh.
#define TILE_M TILE_T
#define CLUSTER 1
#include "common/raster.cuh"

extern __shared__ __align__(1024) u8 shared_bytes[];

// Neighbouring bytes, in the background (PTX ISA, cp.async.bulk); addresses and `bytes` are multiples of 16.
__device__ __forceinline__ void copy_bytes(u32 to, const u8 *from, u32 bytes, Barrier barrier)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from),
                 "r"(bytes), "r"(barrier.address)
                 : "memory");
}

struct Turn {
    u32 stage, parity;

    __device__ __forceinline__ void next()
    {
        stage = stage + 1 == STAGES ? 0 : stage + 1;
        parity ^= stage == 0;
    }
};

struct Ring {
    u32 base; // stages, each the tokens' tile and the weight's; then the barriers

    __device__ __forceinline__ u32 tokens(u32 stage) const { return base + stage * STAGE_BYTES; }
    __device__ __forceinline__ u32 weight(u32 stage) const { return tokens(stage) + TOKEN_BYTES; }
    __device__ __forceinline__ Barrier full(u32 stage) const { return {base + STAGES * STAGE_BYTES + stage * 8}; }
    __device__ __forceinline__ Barrier empty(u32 stage) const { return {base + STAGES * (STAGE_BYTES + 8) + stage * 8}; }
};

// What a block does of a tile: lines `first` to `end` of it.
struct Piece {
    u32 tile, first, end;
};

// A block's pieces, one after the other.
struct Pieces {
    u32 tiles, lines;
    u64 at, end; // SPLIT: lines of all tiles, counted through; else tiles

    __device__ __forceinline__ Pieces(u32 tiles, u32 lines) : tiles(tiles), lines(lines)
    {
#if SPLIT
        at = begin_of(blockIdx.x);
        end = begin_of(blockIdx.x + 1);
#else
        at = blockIdx.x;
        end = tiles;
#endif
    }
    __device__ __forceinline__ u64 total() const { return static_cast<u64>(tiles) * lines; }
    __device__ __forceinline__ u64 begin_of(u32 block) const { return total() * block / gridDim.x; }
    // The block that has this line.
    __device__ __forceinline__ u32 owner(u64 line) const { return static_cast<u32>(((line + 1) * gridDim.x - 1) / total()); }
    __device__ __forceinline__ bool next(Piece &piece)
    {
        if (at >= end) return false;
#if SPLIT
        piece.tile = static_cast<u32>(at / lines);
        piece.first = static_cast<u32>(at % lines);
        piece.end = static_cast<u32>(min(static_cast<u64>(lines), piece.first + (end - at)));
        at += piece.end - piece.first;
#else
        piece = {static_cast<u32>(at), 0, lines};
        at += gridDim.x;
#endif
        return true;
    }
};

__device__ __forceinline__ void fetch_pieces(const Ring &ring, const Raster &raster, Pieces pieces, const TensorMap *tokens,
                                             const TensorMap *weight_map, const u8 *packed)
{
    Turn turn = {0, 0};
    for (Piece piece; pieces.next(piece);) {
        u32 row, column;
        raster.place(piece.tile, row, column);
        for (u32 line = piece.first; line < piece.end; ++line, turn.next()) {
            const Barrier full = ring.full(turn.stage);
            ring.empty(turn.stage).wait(turn.parity ^ 1);
            full.arrive_expecting(STAGE_BYTES);
#if PACKED
            copy_bytes(ring.weight(turn.stage), packed + (static_cast<u64>(column) * pieces.lines + line) * WEIGHT_BYTES,
                       WEIGHT_BYTES, full);
#else
            copy_box(ring.weight(turn.stage), weight_map, line * LINE_BYTES, column * TILE_W, full);
#endif
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
        if (threadIdx.x % 32 == 0) ring.empty(stage).arrive();
    }

#if PACKED
    // A thread's codes of a line, still packed: sixteen bytes are two steps of k.
    __device__ __forceinline__ void load(u32 (&words)[STEPS * 2]) const
    {
        const u32 from = ring.weight(turn.stage) + group * (WEIGHT_BYTES / MULTIPLIERS) + threadIdx.x % WARPGROUP * 16;
#pragma unroll
        for (int two = 0; two < STEPS / 2; ++two) {
            u32 *to = words + two * 4;
            asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                         : "r"(from + two * WARPGROUP * 16)
                         : "memory");
        }
    }

    // The next line is loaded while one is multiplied, but unpacked only when that is done: the compiler lets products wait for each
    // other where registers that one takes are written while another one is under way. The other warpgroup has the unit meanwhile.
    __device__ __forceinline__ void sum(int (&sums)[SUMS], u32 lines)
    {
        u32 words[STEPS * 2];
        ring.full(turn.stage).wait(turn.parity);
        load(words);
        for (u32 i = 0; i < lines; ++i) {
            u32 rows[STEPS][4];
#pragma unroll
            for (int step = 0; step < STEPS; ++step) {
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    rows[step][half] = words[step * 2 + half] << 4 & 0xF0F0F0F0u;
                    rows[step][half + 2] = words[step * 2 + half] & 0xF0F0F0F0u;
                }
                pin(rows[step]);
            }
            const u32 stage = turn.stage;
            const u64 b = descriptor(ring.tokens(stage));
            open_products();
#pragma unroll
            for (int step = 0; step < STEPS; ++step) multiply(sums, rows[step], b + step * (STEP_BYTES >> 4), i | step);
            close_products();
            turn.next();
            if (i + 1 < lines) {
                ring.full(turn.stage).wait(turn.parity);
                load(words);
            }
            wait_products<0>();
            pin(sums);
            release(stage);
        }
    }
#else
    __device__ __forceinline__ void sum(int (&sums)[SUMS], u32 lines)
    {
        u32 before = 0;
        for (u32 i = 0; i < lines; ++i, turn.next()) {
            ring.full(turn.stage).wait(turn.parity);
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

#if SPLIT
// The sums that several blocks have of a tile, a warpgroup by itself. `parts`: two places a block, for a piece that begins within
// its tile and for one that ends within it; `done`: lines of each half tile, 0 before and after a launch.
struct Parts {
    int *parts;
    u32 *done;
    u32 *last; // in shared memory, one a warpgroup

    __device__ __forceinline__ int *place(u32 block, u32 which, u32 group) const
    {
        return parts + ((static_cast<u64>(block) * 2 + which) * MULTIPLIERS + group) * SUMS * WARPGROUP + threadIdx.x % WARPGROUP;
    }
    __device__ __forceinline__ static void meet(u32 group)
    {
        asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory");
    }
    // Whether `sums` are those of the whole tile now. Most often the block that begins a tile ends last, the others having done
    // their parts first of all: what it has itself then never leaves its registers.
    __device__ __forceinline__ bool add(int (&sums)[SUMS], const Piece &piece, const Pieces &pieces, u32 group) const
    {
        const u32 own_lines = piece.end - piece.first;
        u32 *count = done + piece.tile * MULTIPLIERS + group;
        bool whole = agree(group, [&] { return acquired(count) + own_lines == pieces.lines; });
        if (!whole) {
            int *own = place(blockIdx.x, piece.first == 0, group);
#pragma unroll
            for (int i = 0; i < SUMS; ++i) __stcg(own + i * WARPGROUP, sums[i]);
            __threadfence();
            meet(group);
            whole = agree(group, [&] { return atomicAdd(count, own_lines) + own_lines == pieces.lines; });
            if (!whole) return false;
        }
        __threadfence();
        if (threadIdx.x % WARPGROUP == 0) *count = 0;
        const u64 begin = static_cast<u64>(piece.tile) * pieces.lines;
        const u32 first = pieces.owner(begin), end = pieces.owner(begin + pieces.lines - 1);
        for (u32 block = first; block <= end; ++block) { // whole numbers: their order does not matter
            if (block == blockIdx.x) continue;
            const int *from = place(block, block == first, group);
#pragma unroll
            for (int i = 0; i < SUMS; ++i) sums[i] += __ldcg(from + i * WARPGROUP);
        }
        return true;
    }
    __device__ __forceinline__ static u32 acquired(const u32 *from)
    {
        u32 value;
        asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(from) : "memory");
        return value;
    }
    // What one thread of the warpgroup finds, known to all.
    template <typename Find> __device__ __forceinline__ bool agree(u32 group, Find find) const
    {
        if (threadIdx.x % WARPGROUP == 0) last[group] = find();
        meet(group);
        const bool found = last[group];
        meet(group); // before it is written again
        return found;
    }
};
#endif

extern "C" __global__ void __launch_bounds__(THREADS, 1)
gemm(const __grid_constant__ TensorMap tokens, const __grid_constant__ TensorMap weight_map, const u8 *__restrict__ packed,
     const float *__restrict__ row_scales, const float *__restrict__ column_scales, const int *__restrict__ zero_points,
     const int *__restrict__ column_sums, output_t *__restrict__ y, u32 m, u32 n, u32 pitch, u32 row_stride,
     const float *__restrict__ bias, float output_scale, int *__restrict__ parts, u32 *__restrict__ done)
{
    // The swizzle asks for tiles at multiples of 1024 bytes: room for that is part of what is asked for.
    const Ring ring = {(shared_address(shared_bytes) + ATOM_BYTES - 1) / ATOM_BYTES * ATOM_BYTES};
    const Raster raster = {(m + TILE_T - 1) / TILE_T, (n + TILE_W - 1) / TILE_W};
    Pieces pieces(raster.tiles(), pitch / LINE_BYTES);
    const u32 group = __shfl_sync(0xFFFFFFFF, threadIdx.x / WARPGROUP, 0); // known to be the same all through a warp
#if SPLIT
    __shared__ u32 last[MULTIPLIERS];
#endif
    if (threadIdx.x == 0) {
        for (u32 stage = 0; stage < STAGES; ++stage) {
            ring.full(stage).init(1);
            ring.empty(stage).init(MULTIPLIERS * WARPGROUP / 32);
        }
        publish_barriers();
    }
    __syncthreads();

    if (group == MULTIPLIERS) {
        give_registers_back<PRODUCER_REGISTERS>();
        if (threadIdx.x % WARPGROUP == 0) {
            prefetch_map(&tokens);
#if !PACKED
            prefetch_map(&weight_map);
#endif
            fetch_pieces(ring, raster, pieces, &tokens, &weight_map, packed);
        }
        return;
    }
    take_registers<MULTIPLIER_REGISTERS>();
    const TransposedTail tail = {y, row_scales, column_scales, zero_points, column_sums, m, n, row_stride, bias, output_scale};
    Consumer consumer = {ring, group, {0, 0}};
#if SPLIT
    const Parts shared = {parts, done, last};
#endif
    for (Piece piece; pieces.next(piece);) {
        u32 row, column;
        raster.place(piece.tile, row, column);
        const u32 first = column * TILE_W + group * BLOCK_ROWS + threadIdx.x % WARPGROUP / 32 * WARP_COLUMNS;
        tail.prefetch(first);
        int sums[SUMS];
        consumer.sum(sums, piece.end - piece.first);
#if SPLIT
        if (piece.end - piece.first < pieces.lines && !shared.add(sums, piece, pieces, group)) continue;
#endif
        tail.put(sums, row * TILE_T, first);
    }
}
