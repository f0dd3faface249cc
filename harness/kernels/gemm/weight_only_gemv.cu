// Few rows of 16-bit activations times quantized weights: bound by the weight's bytes.
//
// A block stays and makes ROWS outputs of each of up to eight tokens at a time, its warps every WARPS-th SPAN of k of them. The
// weight is the left operand of mma.sync m16n8k16 (PTX ISA, matrix fragments for mma.m16n8k16): codes of a SPAN lie in the order
// of fragments, so that a lane reads what itself needs, 16 bytes at a time. One more warp has the spans of all warps copied at
// once (PTX ISA, cp.async.bulk) into a ring of STAGES, across tiles. Activations stay in shared memory.
//
// GROUP: k that share a scale, 0: all of it; scales and zero points of a SPAN lie behind its codes. SCALE, BITS, KIND, BF16,
// ASYMMETRIC, ZERO: common/weight_codes.cuh. VALUE: the output, common/values.cuh. Compute capability 9.0.
#include "common/hopper.cuh"
#include "common/weight_span.cuh"

#include "common/span_ring.cuh"

#define ROW_TILES (ROWS / 16)
#define SUMS_PITCH (ROWS + 4) // of f32: a warp's fragments fall on different banks
#define X_PADDING 32          // elements between rows of activations, for the same reason

extern __shared__ __align__(128) u8 shared_bytes[];

__device__ __forceinline__ void multiply(float (&sums)[4], const u32 (&a)[4], u32 b0, u32 b1)
{
#if BF16
#define OPERANDS "bf16.bf16"
#else
#define OPERANDS "f16.f16"
#endif
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." OPERANDS
                 ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Where element `at` of a row stands: a lane loads eight neighbours for two products, which are their sixteens each where those
// have scales of their own.
__device__ __forceinline__ u32 place_of(u32 at)
{
    const u32 sixteens = at / 32 * 32 + at / 4 % 4 * 8 + at / 16 % 2 * 4 + at % 4;
    return (GROUP == 16) * sixteens + (GROUP != 16) * at;
}

// Activations [m, k] as rows of `pitch`, zeros from k on; where they are `copied` only those zeros.
__device__ __forceinline__ void stage_activations(u16 *to, const u16 *x, u32 m, u32 k, u32 width, u32 pitch, bool copied)
{
#pragma unroll 1
    for (u32 row = 0; row < m; ++row, x += k, to += pitch)
#pragma unroll 1
        for (u32 at = threadIdx.x + (copied ? k : 0); at < width; at += CONSUMERS) to[place_of(at)] = at < k ? __ldg(x + at) : 0;
}

// A SPAN's part of the sums; `x`: the lane's activations there.
__device__ __forceinline__ void multiply_span(float (&sums)[ROW_TILES][4], const u8 *stage, const u16 *x, const Record &record,
                                              const u8 *table, u32 base)
{
    u32 words[ROW_TILES][WORDS];
#pragma unroll
    for (int tile = 0; tile < ROW_TILES; ++tile)
#pragma unroll
        for (int vector = 0; vector < VECTORS; ++vector)
            *reinterpret_cast<uint4 *>(words[tile] + 4 * vector) =
                *reinterpret_cast<const uint4 *>(stage + (tile * VECTORS + vector) * 512 + threadIdx.x % 32 * 16);
    u32 zeros[ROW_TILES][2];
#if GROUP
    float part[ROW_TILES][4];
#else
    float (&part)[ROW_TILES][4] = sums;
#endif
    uint4 b;
#pragma unroll
    for (int step = 0; step < SPAN / 16; ++step) {
        if (step % 2 == 0) b = *reinterpret_cast<const uint4 *>(x + step / 2 * 32);
        const int group = GROUP ? step * 16 / (GROUP ? GROUP : 1) : 0;
        const bool begins = GROUP ? step * 16 % (GROUP ? GROUP : 1) == 0 : step == 0;
        const bool ends = GROUP && (step + 1) * 16 % (GROUP ? GROUP : 1) == 0;
#pragma unroll
        for (int tile = 0; tile < ROW_TILES; ++tile) {
            if (begins) {
                zeros[tile][0] = record.zero(group, tile, 0);
                zeros[tile][1] = record.zero(group, tile, 1);
#if GROUP
                part[tile][0] = part[tile][1] = part[tile][2] = part[tile][3] = 0.0f;
#endif
            }
            u32 a[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) a[i] = fragment(words[tile], step * 4 + i, zeros[tile], base, table);
            multiply(part[tile], a, step % 2 ? b.z : b.x, step % 2 ? b.w : b.y);
#if GROUP
            if (ends) {
                const float above = record.scale(group, tile, 0), below = record.scale(group, tile, 1);
                sums[tile][0] = fmaf(part[tile][0], above, sums[tile][0]);
                sums[tile][1] = fmaf(part[tile][1], above, sums[tile][1]);
                sums[tile][2] = fmaf(part[tile][2], below, sums[tile][2]);
                sums[tile][3] = fmaf(part[tile][3], below, sums[tile][3]);
            }
#endif
        }
    }
}

// `weight`: [tiles, spans, SPAN_BYTES]; `column_scales`: [n], of GROUP 0; `values`: of KIND 2.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
gemv(const u16 *__restrict__ x, const u8 *__restrict__ weight, const float *__restrict__ column_scales,
     const u16 *__restrict__ values, value_t *__restrict__ y, u32 m, u32 n, u32 k, float whole)
{
    const u32 warp = __shfl_sync(0xFFFFFFFF, threadIdx.x / 32, 0), lane = threadIdx.x % 32;
    const u32 spans = (k + SPAN - 1) / SPAN, width = spans * SPAN, pitch = width + X_PADDING;
    u8 *const table = shared_bytes, *const stages = table + TABLE_BYTES, *const barriers = stages + STAGES * STAGE_BYTES;
    const SpanRing block = {stages, shared_address(barriers), (n + ROWS - 1) / ROWS, spans};
    float *const partial = reinterpret_cast<float *>(barriers + BARRIERS_BYTES); // [2, WARPS, m, SUMS_PITCH]
    u16 *const activations = reinterpret_cast<u16 *>(partial + 2 * WARPS * m * SUMS_PITCH);
    // Rows that are whole copies' multiples and stand where they are read.
    const bool copied = GROUP != 16 && (k % 8 | static_cast<u32>(reinterpret_cast<u64>(x) % 16)) == 0;

    if (threadIdx.x == CONSUMERS) {
        block.init();
        if (copied) {
            block.activations().arrive_expecting(m * k * 2);
#pragma unroll 1
            for (u32 row = 0; row < m; ++row)
                copy_bytes(shared_address(activations + row * pitch), x + static_cast<u64>(row) * k, k * 2, block.activations());
        }
    }
    if (warp == WARPS) {
        __syncwarp();
        asm volatile("bar.arrive 2, %0;" ::"n"(THREADS) : "memory"); // nobody waits for an uninitialized barrier
        if (lane == 0) block.fetch(weight);
        return;
    }
    stage_activations(activations, x, m, k, width, pitch, copied);
#if KIND == 2
    fill_table(table, values, CONSUMERS);
#endif
    asm volatile("bar.sync 2, %0;" ::"n"(THREADS) : "memory");
    if (copied) block.activations().wait(0);

    const u16 *const own_x = activations + min(lane / 4, m - 1) * pitch + lane % 4 * 8;
    const u32 base = counting_base(m >> 16);
    Turn turn = {0, 0};
    u32 parity = 0;
#pragma unroll 1
    for (u32 tile = blockIdx.x; tile < block.tiles; tile += gridDim.x, parity ^= 1) {
        const u32 row = threadIdx.x % ROWS, column = tile * ROWS + row;
#if !GROUP
        const float column_scale = column < n ? __ldg(column_scales + column) : 0.0f; // asked for long before it is needed
#endif
        float sums[ROW_TILES][4] = {};
#pragma unroll 1
        for (u32 span = warp; span < spans + warp; span += WARPS, turn.next()) { // equally often in all warps
            block.full(turn.stage).wait(turn.parity);
            const u8 *const codes = stages + turn.stage * STAGE_BYTES + warp * SPAN_BYTES;
            if (span < spans) multiply_span(sums, codes, own_x + span * SPAN, {codes + CODES_BYTES, lane / 4, whole}, table, base);
            __syncwarp();
            if (lane == 0) block.empty(turn.stage).arrive();
        }
        float *const here = partial + parity * (WARPS * m * SUMS_PITCH);
#pragma unroll
        for (int i = 0; i < ROW_TILES * 4; ++i) {
            const u32 token = lane % 4 * 2 + i % 2, at = i / 4 * 16 + i / 2 % 2 * 8 + lane / 4;
            if (token < m) here[(warp * m + token) * SUMS_PITCH + at] = sums[i / 4][i % 4];
        }
        meet();
        static_assert(CONSUMERS % ROWS == 0, "a thread's column stays");
#pragma unroll 1
        for (u32 token = threadIdx.x / ROWS; token < m; token += CONSUMERS / ROWS) {
            float sum = 0.0f;
#pragma unroll
            for (int each = 0; each < WARPS; ++each) sum += here[(each * m + token) * SUMS_PITCH + row];
#if !GROUP
            sum *= column_scale;
#endif
            sum *= VALUE_FACTOR;
            if (column < n) y[static_cast<u64>(token) * n + column] = from_float(sum);
        }
    }
}
