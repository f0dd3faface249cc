// Few rows of 16-bit activations times quantized weights: bound by the weight's bytes.
//
// A block stays and makes ROWS outputs of each of up to eight tokens at a time, its warps every WARPS-th SPAN of k of them. The
// weight is the left operand of mma.sync m16n8k16 (PTX ISA, matrix fragments for mma.m16n8k16): a warp's codes of a SPAN lie in the
// order of fragments, so that each lane copies, 16 bytes at a time, what itself needs, through a ring of STAGES in shared memory
// of its warp's own: nobody waits for anybody, and what is under way takes no registers. Activations stay in shared memory.
//
// GROUP: k that share a scale, 0: all of it; scales and zero points of a SPAN are copied with it. SCALE, BITS, KIND, BF16,
// ASYMMETRIC, ZERO: common/weight_codes.cuh. VALUE: the output, common/values.cuh.
#include "common/hopper.cuh"
#include "common/weight_codes.cuh"

#define THREADS (32 * WARPS)
#define ROWS (16 * ROW_TILES)
#define WORDS (SPAN * BITS / 64) // of a lane, 16 rows and a SPAN
#define VECTORS (WORDS / 4)
#define GROUPS (GROUP ? SPAN / GROUP : ASYMMETRIC)
#define SCALES_BYTES (GROUP ? GROUPS * ROWS * static_cast<int>(sizeof(scale_t)) : 0)
#define RECORD_BYTES (SCALES_BYTES + (ASYMMETRIC ? GROUPS * ROWS : 0))
#define CODES_BYTES (ROW_TILES * VECTORS * 512)
#define STAGE_BYTES (CODES_BYTES + RECORD_BYTES)
#define RING_BYTES (WARPS * STAGES * STAGE_BYTES)
#define SUMS_PITCH (ROWS + 4) // of f32: a warp's fragments fall on different banks
#define X_PADDING 32         // elements between rows of activations, for the same reason

#ifndef BULK
#define BULK (__CUDA_ARCH__ >= 900)
#endif

extern __shared__ __align__(128) u8 shared_bytes[];

// 16 bytes, or as many zeros, in the background.
__device__ __forceinline__ void copy_16(void *to, const void *from, u32 kept)
{
    asm volatile("cp.async.cg.shared.global.L2::256B [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(kept) : "memory");
}

// A warp's ring. From compute capability 9.0 on a lane has whole stages copied (PTX ISA, cp.async.bulk), before that each lane
// copies what itself needs.
struct Ring {
    u8 *stages;
    u32 barriers; // one a stage
    u32 filled, now, parity;

    __device__ __forceinline__ void fill(const u8 *from)
    {
        u8 *const to = stages + filled * STAGE_BYTES;
#if BULK
        if (threadIdx.x % 32 == 0 && from != nullptr) {
            const Barrier full = {barriers + filled * 8};
            full.arrive_expecting(STAGE_BYTES);
            asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared_address(to)),
                         "l"(from), "r"(STAGE_BYTES), "r"(full.address)
                         : "memory");
        }
#else
        if (from != nullptr) {
#pragma unroll
            for (int i = 0; i < STAGE_BYTES; i += 512) {
                const u32 at = i + threadIdx.x % 32 * 16;
                if (at < STAGE_BYTES) copy_16(to + at, from + at, 16);
            }
        }
        close_group(); // an empty one too, so that the count of groups is that of stages
#endif
        filled = filled + 1 == STAGES ? 0 : filled + 1;
    }
    // The next stage is there, and all lanes are done with the one before it, which is filled next.
    __device__ __forceinline__ void wait() const
    {
#if BULK
        __syncwarp();
        Barrier{barriers + now * 8}.wait(parity);
#else
        wait_groups<STAGES - 2>();
        __syncwarp();
#endif
    }
    __device__ __forceinline__ const u8 *stage() const { return stages + now * STAGE_BYTES; }
    __device__ __forceinline__ void next()
    {
        now = now + 1 == STAGES ? 0 : now + 1;
        parity ^= now == 0;
    }
};

__device__ __forceinline__ void copy_8(void *to, const void *from, u32 kept)
{
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(shared_address(to)), "l"(from), "r"(kept) : "memory");
}

__device__ __forceinline__ void multiply(float (&sums)[4], const u32 (&a)[4], u32 b0, u32 b1)
{
#if BF16
#define OPERANDS "bf16.bf16"
#else
#define OPERANDS "f16.f16"
#endif
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." OPERANDS ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// A warp's next SPAN: every gridDim.x-th ROWS of the weight, and of those every WARPS-th SPAN.
struct Place {
    u32 tile, span;

    __device__ __forceinline__ void next(u32 spans, u32 warp)
    {
        span += WARPS;
        if (span >= spans) {
            span = warp;
            tile += gridDim.x;
        }
    }
};

// Where element `at` of a row stands: a lane loads eight neighbours for two products, which are their sixteens each where those
// have scales of their own.
__device__ __forceinline__ u32 place_of(u32 at)
{
    const u32 sixteens = at / 32 * 32 + at / 4 % 4 * 8 + at / 16 % 2 * 4 + at % 4;
    return (GROUP == 16) * sixteens + (GROUP != 16) * at;
}

// Activations [m, k] as rows of `pitch`, zeros beyond k.
__device__ __forceinline__ void stage_activations(u16 *to, const u16 *x, u32 m, u32 k, u32 width, u32 pitch)
{
    constexpr u32 PIECE = GROUP == 16 ? 4 : 8;
    const bool whole = (k % 8 | static_cast<u32>(reinterpret_cast<u64>(x) % 16)) == 0;
    for (u32 row = 0; row < m; ++row, x += k, to += pitch)
        if (whole) {
            for (u32 at = threadIdx.x * PIECE; at < width; at += THREADS * PIECE) {
                const u32 kept = at < k ? 2 * PIECE : 0;
                if (GROUP == 16) copy_8(to + place_of(at), kept ? x + at : x, kept);
                else copy_16(to + at, kept ? x + at : x, kept);
            }
        } else {
            for (u32 at = threadIdx.x; at < width; at += THREADS) to[place_of(at)] = at < k ? __ldg(x + at) : 0;
        }
}

// The scales and zero points of a SPAN.
struct Record {
    const u8 *at;
    u32 row; // of the tile's first sixteen, the lane's first one
    float whole;

    __device__ __forceinline__ float scale(int group, int row_tile, int half) const
    {
        return scale_of(reinterpret_cast<const scale_t *>(at)[group * ROWS + row_tile * 16 + half * 8 + row], whole);
    }
    __device__ __forceinline__ u32 zero(int group, int row_tile, int half) const
    {
#if ASYMMETRIC
        return zero_of(at[SCALES_BYTES + group * ROWS + row_tile * 16 + half * 8 + row]);
#else
        return zero_of(ZERO);
#endif
    }
};

// A SPAN's part of the sums; `x`: the lane's activations there.
__device__ __forceinline__ void multiply_span(float (&sums)[ROW_TILES][4], const u8 *stage, const u16 *x, const Record &record, const u8 *table,
                                              u32 base)
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
            for (int i = 0; i < 4; ++i) {
                const int at = step * 4 + i;
#if KIND == 2
                a[i] = looked_up(table, words[tile][at / OF_WORD], at % OF_WORD);
#else
                a[i] = value_pair(words[tile][at / OF_WORD], at % OF_WORD, zeros[tile][i % 2], base);
#endif
            }
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

// `weight`: [tiles, spans, STAGE_BYTES]; `column_scales`: [n], of GROUP 0; `values`: of KIND 2.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
gemv(const u16 *__restrict__ x, const u8 *__restrict__ weight, const float *__restrict__ column_scales, const u16 *__restrict__ values,
     value_t *__restrict__ y, u32 m, u32 n, u32 k, float whole)
{
    const u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const u32 tiles = (n + ROWS - 1) / ROWS, spans = (k + SPAN - 1) / SPAN, width = spans * SPAN, pitch = width + X_PADDING;
    u8 *const table = shared_bytes, *const rings = table + TABLE_BYTES, *const barriers = rings + RING_BYTES;
    float *const partial = reinterpret_cast<float *>(barriers + WARPS * STAGES * 8); // [2, WARPS, m, SUMS_PITCH]
    u16 *const activations = reinterpret_cast<u16 *>(partial + 2 * WARPS * m * SUMS_PITCH);

    Ring ring = {rings + warp * (STAGES * STAGE_BYTES), shared_address(barriers + warp * (STAGES * 8)), 0, 0, 0};
    Place ahead = {warp < spans ? blockIdx.x : tiles, warp};
    const auto fetch = [&]() {
        const bool more = ahead.tile < tiles;
        ring.fill(more ? weight + (static_cast<u64>(ahead.tile) * spans + ahead.span) * STAGE_BYTES : nullptr);
        if (more) ahead.next(spans, warp);
    };
#if BULK
    if (lane == 0) {
        for (int i = 0; i < STAGES; ++i) Barrier{ring.barriers + i * 8}.init(1);
        publish_barriers();
    }
    __syncwarp();
#endif
    for (int i = 0; i < STAGES - 1; ++i) fetch();
    stage_activations(activations, x, m, k, width, pitch);
    close_group();
#if KIND == 2
    fill_table(table, values);
#endif
    wait_groups<0>();
    __syncthreads();

    const u16 *const own_x = activations + min(lane / 4, m - 1) * pitch + lane % 4 * 8;
    const u32 base = counting_base(m >> 16);
    u32 parity = 0;
    for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x, parity ^= 1) {
        float sums[ROW_TILES][4] = {};
#if !GROUP
        const u32 own = tile * ROWS + threadIdx.x % ROWS;
        const float column_scale = own < n ? __ldg(column_scales + own) : 0.0f; // asked for long before it is needed
#endif
        for (u32 span = warp; span < spans; span += WARPS, ring.next()) {
            ring.wait();
            fetch();
            multiply_span(sums, ring.stage(), own_x + span * SPAN, {ring.stage() + CODES_BYTES, lane / 4, whole}, table, base);
        }
        float *const here = partial + parity * (WARPS * m * SUMS_PITCH);
#pragma unroll
        for (int i = 0; i < ROW_TILES * 4; ++i) {
            const u32 token = lane % 4 * 2 + i % 2, row = i / 4 * 16 + i / 2 % 2 * 8 + lane / 4;
            if (token < m) here[(warp * m + token) * SUMS_PITCH + row] = sums[i / 4][i % 4];
        }
        __syncthreads();
        static_assert(THREADS % ROWS == 0, "a thread's column stays");
        const u32 row = threadIdx.x % ROWS, column = tile * ROWS + row;
        for (u32 token = threadIdx.x / ROWS; token < m; token += THREADS / ROWS) {
            float sum = 0.0f;
#pragma unroll
            for (int each = 0; each < WARPS; ++each) sum += here[(each * m + token) * SUMS_PITCH + row];
#if !GROUP
            sum *= column_scale;
#endif
            if (column < n) y[static_cast<u64>(token) * n + column] = from_float(sum);
        }
    }
}
