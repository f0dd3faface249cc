// yᵀ = w xᵀ of 16-bit activations and quantized weights by wgmma: rows of the weight are what the tensor cores take 64 at a time,
// from registers, where they are made of their codes; tokens are the columns, TILE_T of them, in shared memory. sm_90a.
//
// Blocks stay. MULTIPLIERS warpgroups multiply, each 64 rows of the tile's ROWS; of one more a thread fetches SPANs of k into a
// ring of STAGES, ahead of the products: the packed weight's by one copy, the tokens' by boxes of 64 elements along k. Tiles are shared
// out as common/pieces.cuh says, their spans being its lines.
//
// The sums of a GROUP are scaled in f32 when they are done; or, SCALED 1, weights are, in bf16, before they are multiplied: for so many
// tokens there are no registers for sums of two kinds. GROUP, SCALE, BITS, KIND, BF16, ASYMMETRIC, ZERO:
// common/weight_span.cuh. VALUE: the output, common/values.cuh.
#include "common/wgmma_halves.cuh"
#include "common/weight_span.cuh"

#define MULTIPLIERS (ROWS / 64)
#define THREADS ((MULTIPLIERS + 1) * WARPGROUP)
#define BOX_BYTES (TILE_T * LINE_BYTES)
#define BOXES (SPAN / 64)
#define TOKEN_BYTES (BOXES * BOX_BYTES)
#define STAGE_BYTES ((TOKEN_BYTES + SPAN_BYTES + ATOM_BYTES - 1) / ATOM_BYTES * ATOM_BYTES)
#define SUMS (TILE_T / 2)
#ifndef SCALED
#define SCALED 0
#endif
#define GROUPED_SUMS (GROUP && !SCALED)
// Steps of sixteen along k whose products are one group of the tensor cores'.
#define STEPS (GROUPED_SUMS && GROUP < 128 ? GROUP / 16 : SPAN < 128 ? SPAN / 16 : 8)
#define BATCHES (SPAN / 16 / STEPS)
// With two warpgroups that multiply 384 threads begin with 168 registers each; 128 keep 40, 256 have 232.
#define PRODUCER_REGISTERS 40
#define MULTIPLIER_REGISTERS 232

// Bands of RASTER_ROWS tokens, as in common/raster.cuh.
#define TILE_M TILE_T
#include "common/raster.cuh"
#define PARTS MULTIPLIERS
#include "common/shared_tiles.cuh"

#define TOKEN_SCALES 0
#define COLUMN_SCALES (!GROUP)
#define SUM_FACTOR VALUE_FACTOR
#define ZERO_POINTS 0
#include "common/transposed_tail.cuh"

extern __shared__ __align__(1024) u8 shared_bytes[];

struct Ring {
    u8 *stages; // each the tokens' tile and the weight's; then what outputs are turned over in, and the barriers
    u32 base;   // their address

    __device__ __forceinline__ u32 tokens(u32 stage) const { return base + stage * STAGE_BYTES; }
    __device__ __forceinline__ u32 weight(u32 stage) const { return tokens(stage) + TOKEN_BYTES; }
    __device__ __forceinline__ const u8 *codes(u32 stage) const { return stages + stage * STAGE_BYTES + TOKEN_BYTES; }
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
#pragma unroll 1
        for (u32 span = piece.first; span < piece.end; ++span, turn.next()) {
            const Barrier full = ring.barriers().full(turn.stage);
            ring.barriers().empty(turn.stage).wait(turn.parity ^ 1);
            full.arrive_expecting(TOKEN_BYTES + SPAN_BYTES);
            const u8 *from = weight + (static_cast<u64>(column) * pieces.lines + span) * SPAN_BYTES;
            copy_bytes(ring.weight(turn.stage), from, SPAN_BYTES, full);
#pragma unroll
            for (u32 box = 0; box < BOXES; ++box) // what lies beyond the activations arrives as zeros
                copy_box(ring.tokens(turn.stage) + box * BOX_BYTES, tokens, (span * BOXES + box) * LINE_BYTES, row * TILE_T, full);
        }
    }
}

__device__ __forceinline__ u32 both_bf16(float value)
{
    u32 made;
    asm("cvt.rn.bf16x2.f32 %0, %1, %1;" : "=r"(made) : "f"(value));
    return made;
}

__device__ __forceinline__ u32 scaled_bf16(u32 pair, u32 factor)
{
    u32 made;
    asm("mul.rn.bf16x2 %0, %1, %2;" : "=r"(made) : "r"(pair), "r"(factor));
    return made;
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
#if GROUPED_SUMS
        float part[SUMS];
#pragma unroll
        for (int i = 0; i < SUMS; ++i) sums[i] = 0.0f;
#else
        float (&part)[SUMS] = sums;
#endif
        u32 words[WORDS];
        ring.barriers().full(turn.stage).wait(turn.parity);
        load(words);
#pragma unroll 1
        for (u32 i = 0; i < spans; ++i) {
            const u32 stage = turn.stage;
            const Record record = {ring.codes(stage) + CODES_BYTES, threadIdx.x % 32 / 4, whole};
#pragma unroll
            for (int batch = 0; batch < BATCHES; ++batch) {
                const int first = GROUP ? batch * STEPS * 16 / (GROUP ? GROUP : 1) : 0;
                u32 zeros[2], factors[2];
                u32 rows[STEPS][4];
#pragma unroll
                for (int step = 0; step < STEPS; ++step) {
                    const int group = GROUP ? (batch * STEPS + step) * 16 / (GROUP ? GROUP : 1) : 0;
                    if (step == 0 || (GROUP && (batch * STEPS + step) * 16 % (GROUP ? GROUP : 1) == 0)) {
#pragma unroll
                        for (int half = 0; half < 2; ++half) {
                            zeros[half] = record.zero(group, warp, half);
                            factors[half] = SCALED ? both_bf16(record.scale(group, warp, half)) : 0;
                        }
                    }
#pragma unroll
                    for (int at = 0; at < 4; ++at) {
                        const u32 value = fragment(words, (batch * STEPS + step) * 4 + at, zeros, base, table);
                        rows[step][at] = SCALED ? scaled_bf16(value, factors[at % 2]) : value;
                    }
                    pin(rows[step]);
                }
#if GROUPED_SUMS
                const float scale[2] = {record.scale(first, warp, 0), record.scale(first, warp, 1)};
#endif
                open_products();
#pragma unroll
                for (int step = 0; step < STEPS; ++step) {
                    const int at = batch * STEPS + step; // four to a box, 32 bytes each
                    const u64 columns = descriptor(ring.tokens(stage) + at / 4 * BOX_BYTES) + at % 4 * 2;
                    multiply(part, rows[step], columns, GROUPED_SUMS ? step : i | at);
                }
                close_products();
                if (batch == BATCHES - 1) {
                    turn.next();
                    if (i + 1 < spans) {
                        ring.barriers().full(turn.stage).wait(turn.parity);
                        load(words);
                    }
                }
                wait_products<0>();
                pin(part);
#if GROUPED_SUMS
#pragma unroll
                for (int j = 0; j < SUMS; ++j) sums[j] = fmaf(part[j], scale[j / 2 % 2], sums[j]);
#endif
            }
            __syncwarp();
            if (threadIdx.x % 32 == 0) ring.barriers().empty(stage).arrive();
        }
    }
};

// `weight`: [tiles of rows, spans, SPAN_BYTES]; `column_scales`: [n] up to whole tiles, of GROUP 0; `values`: of KIND 2.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
gemm(const __grid_constant__ TensorMap tokens, const u8 *__restrict__ weight, const float *__restrict__ column_scales,
     const u16 *__restrict__ values, output_t *__restrict__ y, u32 m, u32 n, u32 k, float whole, const float *__restrict__ bias,
     float output_scale, float *__restrict__ parts, u32 *__restrict__ done)
{
    __shared__ u32 last[MULTIPLIERS];
    // The swizzle asks for tiles at multiples of 1024 bytes: room for that is part of what is asked for.
    u8 *const ring_bytes = shared_bytes + (ATOM_BYTES - shared_address(shared_bytes) % ATOM_BYTES) % ATOM_BYTES;
    const Ring ring = {ring_bytes, shared_address(ring_bytes)};
    u8 *const table = ring_bytes + STAGES * (STAGE_BYTES + 16) + MULTIPLIERS * 2 * TURN_BYTES;
    const Raster raster = {(m + TILE_T - 1) / TILE_T, (n + ROWS - 1) / ROWS};
    Pieces pieces(raster.tiles(), (k + SPAN - 1) / SPAN);
    const u32 group = __shfl_sync(0xFFFFFFFF, threadIdx.x / WARPGROUP, 0); // known to be the same all through a warp
#if KIND == 2
    fill_table(table, values, THREADS);
#endif
    ring.barriers().begin(MULTIPLIERS * WARPGROUP / 32);

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
    const Parts<float> shared = {parts, done, last};
    TransposedTail tail = {y, nullptr, column_scales, nullptr, nullptr, m, n, 0, bias, output_scale, ring.turns(group), group, 0};
    for (Piece piece; pieces.next(piece);) {
        u32 row, column;
        raster.place(piece.tile, row, column);
        const u32 first = column * ROWS + group * 64;
        tail.prefetch(first);
        float sums[SUMS];
        consumer.sum(sums, piece.lines());
        if (piece.lines() < pieces.lines && !shared.add(sums, piece, pieces, group, group)) continue;
        tail.put(sums, row * TILE_T, first);
    }
}
