// yᵀ = w xᵀ of 16-bit activations and quantized weights by wgmma: rows of the weight are what the tensor cores take 64 at a time,
// from registers, where they are made of their codes; tokens are the columns, TILE_T of them, in shared memory. sm_90a.
//
// Blocks stay. MULTIPLIERS warpgroups multiply, each 64 rows of the tile's ROWS; of one more a thread fetches SPANs of k into a
// ring of STAGES, ahead of the products: the packed weight's by one copy, the tokens' by boxes of 64 elements along k. All blocks
// take equal shares of all tiles' spans, so that none is idle (stream-K, arXiv 2301.03598): what several have of a tile is left in
// `parts`, and who ends last adds it up, always in the same order.
//
// The sums of a GROUP are scaled in f32 when they are done. GROUP, SCALE, BITS, KIND, BF16, ASYMMETRIC, ZERO:
// common/weight_span.cuh. VALUE: the output, common/values.cuh.
#include "common/wgmma_halves.cuh"
#include "common/weight_span.cuh"

#define WARPGROUP 128
#define MULTIPLIERS (ROWS / 64)
#define THREADS ((MULTIPLIERS + 1) * WARPGROUP)
#define BOX_BYTES (TILE_T * LINE_BYTES)
#define BOXES (SPAN / 64)
#define TOKEN_BYTES (BOXES * BOX_BYTES)
#define STAGE_BYTES ((TOKEN_BYTES + SPAN_BYTES + ATOM_BYTES - 1) / ATOM_BYTES * ATOM_BYTES)
#define SUMS (TILE_T / 2)
// Steps of sixteen along k whose products are one group of the tensor cores'.
#define STEPS (GROUP && GROUP < 128 ? GROUP / 16 : 8)
#define BATCHES (SPAN / 16 / STEPS)
// With two warpgroups that multiply 384 threads begin with 168 registers each; 128 keep 40, 256 have 232.
#define PRODUCER_REGISTERS 40
#define MULTIPLIER_REGISTERS 232

// Bands of RASTER_ROWS tokens, as in common/raster.cuh.
#define TILE_M TILE_T
#define CLUSTER 1
#include "common/raster.cuh"

extern __shared__ __align__(1024) u8 shared_bytes[];

struct Ring {
    u8 *stages; // each the tokens' tile and the weight's; then the barriers
    u32 base;   // their address

    __device__ __forceinline__ u32 tokens(u32 stage) const { return base + stage * STAGE_BYTES; }
    __device__ __forceinline__ u32 weight(u32 stage) const { return tokens(stage) + TOKEN_BYTES; }
    __device__ __forceinline__ const u8 *codes(u32 stage) const { return stages + stage * STAGE_BYTES + TOKEN_BYTES; }
    __device__ __forceinline__ Barrier full(u32 stage) const { return {base + STAGES * STAGE_BYTES + stage * 8}; }
    __device__ __forceinline__ Barrier empty(u32 stage) const { return {base + STAGES * (STAGE_BYTES + 8) + stage * 8}; }
};

// What a block does of a tile: spans `first` to `end` of it.
struct Piece {
    u32 tile, first, end;

    __device__ __forceinline__ u32 spans() const { return end - first; }
};

// A block's pieces, one after the other: a share of the spans of all tiles, counted through.
struct Pieces {
    u32 tiles, spans;
    u64 at, end;

    __device__ __forceinline__ Pieces(u32 tiles, u32 spans) : tiles(tiles), spans(spans)
    {
        at = begin_of(blockIdx.x);
        end = begin_of(blockIdx.x + 1);
    }
    __device__ __forceinline__ u64 total() const { return static_cast<u64>(tiles) * spans; }
    __device__ __forceinline__ u64 begin_of(u32 block) const { return total() * block / gridDim.x; }
    // The block that has this span.
    __device__ __forceinline__ u32 owner(u64 span) const { return static_cast<u32>(((span + 1) * gridDim.x - 1) / total()); }
    __device__ __forceinline__ bool next(Piece &piece)
    {
        if (at >= end) return false;
        piece.tile = static_cast<u32>(at / spans);
        piece.first = static_cast<u32>(at % spans);
        piece.end = static_cast<u32>(min(static_cast<u64>(spans), piece.first + (end - at)));
        at += piece.spans();
        return true;
    }
};

__device__ __forceinline__ void fetch_pieces(const Ring &ring, const Raster &raster, Pieces pieces, const TensorMap *tokens,
                                             const u8 *weight)
{
    Turn turn = {0, 0};
    for (Piece piece; pieces.next(piece);) {
        u32 row, column;
        raster.place(piece.tile, row, column);
#pragma unroll 1
        for (u32 span = piece.first; span < piece.end; ++span, turn.next()) {
            const Barrier full = ring.full(turn.stage);
            ring.empty(turn.stage).wait(turn.parity ^ 1);
            full.arrive_expecting(TOKEN_BYTES + SPAN_BYTES);
            const u8 *from = weight + (static_cast<u64>(column) * pieces.spans + span) * SPAN_BYTES;
            copy_bytes(ring.weight(turn.stage), from, SPAN_BYTES, full);
#pragma unroll
            for (u32 box = 0; box < BOXES; ++box) // what lies beyond the activations arrives as zeros
                copy_box(ring.tokens(turn.stage) + box * BOX_BYTES, tokens, (span * BOXES + box) * LINE_BYTES, row * TILE_T, full);
        }
    }
}

struct Consumer {
    Ring ring;
    const u8 *table;
    u32 warp; // of those that multiply
    u32 base;
    float whole;
    Turn turn;

    // A lane's codes of a span, still packed.
    __device__ __forceinline__ void load(u32 (&words)[WORDS]) const
    {
        const u8 *from = ring.codes(turn.stage) + warp * (VECTORS * 512) + threadIdx.x % 32 * 16;
#pragma unroll
        for (int vector = 0; vector < VECTORS; ++vector)
            *reinterpret_cast<uint4 *>(words + 4 * vector) = *reinterpret_cast<const uint4 *>(from + vector * 512);
    }

    // Codes become values only when the products before are done: the compiler lets products wait for each other where registers
    // that one takes are written while another one is under way. The other warpgroups have the tensor cores meanwhile.
    __device__ __forceinline__ void sum(float (&sums)[SUMS], u32 spans)
    {
#if GROUP
        float part[SUMS];
#pragma unroll
        for (int i = 0; i < SUMS; ++i) sums[i] = 0.0f;
#else
        float (&part)[SUMS] = sums;
#endif
        u32 words[WORDS];
        ring.full(turn.stage).wait(turn.parity);
        load(words);
#pragma unroll 1
        for (u32 i = 0; i < spans; ++i) {
            const u32 stage = turn.stage;
            const Record record = {ring.codes(stage) + CODES_BYTES, threadIdx.x % 32 / 4, whole};
#pragma unroll
            for (int batch = 0; batch < BATCHES; ++batch) {
                const int group = GROUP ? batch * STEPS * 16 / (GROUP ? GROUP : 1) : 0;
                const u32 zeros[2] = {record.zero(group, warp, 0), record.zero(group, warp, 1)};
                u32 rows[STEPS][4];
#pragma unroll
                for (int step = 0; step < STEPS; ++step) {
#pragma unroll
                    for (int at = 0; at < 4; ++at)
                        rows[step][at] = fragment(words, (batch * STEPS + step) * 4 + at, zeros, base, table);
                    pin(rows[step]);
                }
#if GROUP
                const float scale[2] = {record.scale(group, warp, 0), record.scale(group, warp, 1)};
#endif
                open_products();
#pragma unroll
                for (int step = 0; step < STEPS; ++step) {
                    const int at = batch * STEPS + step; // four to a box, 32 bytes each
                    const u64 columns = descriptor(ring.tokens(stage) + at / 4 * BOX_BYTES) + at % 4 * 2;
                    multiply(part, rows[step], columns, GROUP ? step : i | at);
                }
                close_products();
                if (batch == BATCHES - 1) {
                    turn.next();
                    if (i + 1 < spans) {
                        ring.full(turn.stage).wait(turn.parity);
                        load(words);
                    }
                }
                wait_products<0>();
                pin(part);
#if GROUP
#pragma unroll
                for (int j = 0; j < SUMS; ++j) sums[j] = fmaf(part[j], scale[j / 2 % 2], sums[j]);
#endif
            }
            __syncwarp();
            if (threadIdx.x % 32 == 0) ring.empty(stage).arrive();
        }
    }
};

// The sums that several blocks have of a tile, a warpgroup by itself. `parts`: two places a block, for a piece that begins within
// its tile and for one that ends within it; `done`: spans of each warpgroup's rows, 0 before and after a launch.
struct Parts {
    float *parts;
    u32 *done;
    u32 *last; // in shared memory, one a warpgroup

    __device__ __forceinline__ float *place(u32 block, u32 which, u32 group) const
    {
        return parts + ((static_cast<u64>(block) * 2 + which) * MULTIPLIERS + group) * SUMS * WARPGROUP + threadIdx.x % WARPGROUP;
    }
    __device__ __forceinline__ static void meet(u32 group) { asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory"); }

    // Whether all of the tile is done: then `sums` are its.
    __device__ __forceinline__ bool add(float (&sums)[SUMS], const Piece &piece, const Pieces &pieces, u32 group) const
    {
        float *own = place(blockIdx.x, piece.first == 0, group);
#pragma unroll
        for (int i = 0; i < SUMS; ++i) __stcg(own + i * WARPGROUP, sums[i]);
        __threadfence();
        meet(group);
        if (threadIdx.x % WARPGROUP == 0) {
            u32 *count = done + piece.tile * MULTIPLIERS + group;
            const bool whole = atomicAdd(count, piece.spans()) + piece.spans() == pieces.spans;
            if (whole) *count = 0;
            last[group] = whole;
        }
        meet(group);
        const bool whole = last[group];
        meet(group); // before it is written again
        if (!whole) return false;
        __threadfence();
        const u64 begin = static_cast<u64>(piece.tile) * pieces.spans;
        const u32 first = pieces.owner(begin), end = pieces.owner(begin + pieces.spans - 1);
#pragma unroll
        for (int i = 0; i < SUMS; ++i) sums[i] = 0.0f;
#pragma unroll 1
        for (u32 block = first; block <= end; ++block) {
            const float *from = place(block, block == first, group);
#pragma unroll
            for (int i = 0; i < SUMS; ++i) sums[i] += __ldcg(from + i * WARPGROUP);
        }
        return true;
    }
};

// Sum 4 j + 2 h + e of a thread is token 8 j + 2 (lane % 4) + e of its warp's row lane / 4 + 8 h; `column` that of the lane's
// first.
__device__ __forceinline__ void put(value_t *y, const float *column_scales, const float (&sums)[SUMS], u32 m, u32 n, u32 token,
                                    u32 column)
{
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const u32 own = column + half * 8;
        if (own >= n) continue;
#if GROUP
        const float scale = VALUE_FACTOR;
#else
        const float scale = VALUE_FACTOR * __ldg(column_scales + own);
#endif
#pragma unroll
        for (int j = 0; j < SUMS / 4; ++j)
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                const u32 at = token + j * 8 + threadIdx.x % 4 * 2 + e;
                if (at < m) y[static_cast<u64>(at) * n + own] = from_float(sums[4 * j + 2 * half + e] * scale);
            }
    }
}

// `weight`: [tiles of rows, spans, SPAN_BYTES]; `column_scales`: [n], of GROUP 0; `values`: of KIND 2.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
gemm(const __grid_constant__ TensorMap tokens, const u8 *__restrict__ weight, const float *__restrict__ column_scales,
     const u16 *__restrict__ values, value_t *__restrict__ y, u32 m, u32 n, u32 k, float whole, float *__restrict__ parts,
     u32 *__restrict__ done)
{
    __shared__ u32 last[MULTIPLIERS];
    // The swizzle asks for tiles at multiples of 1024 bytes: room for that is part of what is asked for.
    u8 *const ring_bytes = shared_bytes + (ATOM_BYTES - shared_address(shared_bytes) % ATOM_BYTES) % ATOM_BYTES;
    const Ring ring = {ring_bytes, shared_address(ring_bytes)};
    u8 *const table = ring_bytes + STAGES * (STAGE_BYTES + 16);
    const Raster raster = {(m + TILE_T - 1) / TILE_T, (n + ROWS - 1) / ROWS};
    Pieces pieces(raster.tiles(), (k + SPAN - 1) / SPAN);
    const u32 group = __shfl_sync(0xFFFFFFFF, threadIdx.x / WARPGROUP, 0); // known to be the same all through a warp
    if (threadIdx.x == 0) {
        for (u32 stage = 0; stage < STAGES; ++stage) {
            ring.full(stage).init(1);
            ring.empty(stage).init(MULTIPLIERS * WARPGROUP / 32);
        }
        publish_barriers();
    }
#if KIND == 2
    fill_table(table, values, THREADS);
#endif
    __syncthreads();

    if (group == MULTIPLIERS) {
#if MULTIPLIERS == 2
        give_registers_back<PRODUCER_REGISTERS>();
#endif
        if (threadIdx.x % WARPGROUP == 0) {
            prefetch_map(&tokens);
            fetch_pieces(ring, raster, pieces, &tokens, weight);
        }
        return;
    }
#if MULTIPLIERS == 2
    take_registers<MULTIPLIER_REGISTERS>();
#endif
    const u32 warp = __shfl_sync(0xFFFFFFFF, threadIdx.x / 32, 0);
    Consumer consumer = {ring, table, warp, counting_base(n >> 31), whole, {0, 0}};
    const Parts shared = {parts, done, last};
    for (Piece piece; pieces.next(piece);) {
        u32 row, column;
        raster.place(piece.tile, row, column);
        float sums[SUMS];
        consumer.sum(sums, piece.spans());
        if (piece.spans() < pieces.spans && !shared.add(sums, piece, pieces, group)) continue;
        put(y, column_scales, sums, m, n, row * TILE_T, column * ROWS + warp * 16 + threadIdx.x % 32 / 4);
    }
}
