// Few rows of 16-bit activations times weights of one or two bits, without unpacking either: both are taken apart into planes of bits, and
// mma.sync m16n8k256 counts the places where a plane of the one and a plane of the other have a 1 (PTX ISA; AND and population count).
//
// An activation x is a whole number X of 32 bits in two's complement, x = X 2^(exponent - 30), 2^exponent at most the row's largest magnitude:
// off by 2^-31 of that at most. Sums are whole numbers, exact, and the same in any order. A weight is the sum of its planes, of which
// number j counts WEIGHT_j: two's complement of two bits, or, BITS 1, of one: 2 b - 1, where the sum of all X is taken away at the end.
//
// A block stays and makes ROWS outputs of TOKENS rows of activations at a time, its warps every WARPS-th SPAN of k of them; one more
// warp fetches (common/span_ring.cuh). Planes of the activations stay in shared memory, in the order of fragments. BF16 1: activations are
// bf16, else f16. VALUE: the output, common/values.cuh. Compute capability 9.0.
#include "common/values.cuh"

#define SPAN 256
#define ROW_TILES (ROWS / 16)
#define PLANES (ROW_TILES * BITS)
#define SPAN_BYTES (PLANES * 512)
#define EIGHTS 4 // of the planes of an activation

#include "common/hopper.cuh"
#include "common/span_ring.cuh"

#define SIGNIFICANT (BF16 ? 0x7F80u : 0x7C00u) // the exponent of what is not finite

extern __shared__ __align__(128) u8 shared_bytes[];

__device__ __forceinline__ float widened(u16 raw)
{
#if BF16
    return __uint_as_float(static_cast<u32>(raw) << 16);
#else
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(raw));
    return wide;
#endif
}

// 2^exponent, -126 to 127.
__device__ __forceinline__ float power(int exponent) { return __uint_as_float(static_cast<u32>(127 + exponent) << 23); }

// Bit b of lane l and bit l of lane b change places, by halves, quarters … (Hacker's Delight, section 7-3).
__device__ __forceinline__ u32 transposed(u32 mine)
{
    const u32 lane = threadIdx.x % 32;
#pragma unroll
    for (u32 step = 16, kept = 0x0000FFFF; step; step /= 2, kept ^= kept << step) {
        const u32 other = __shfl_xor_sync(0xFFFFFFFF, mine, step);
        mine = lane & step ? (mine & ~kept) | (other >> step & kept) : (mine & kept) | (other & kept) << step;
    }
    return mine;
}

// What is known of a token when its planes are there.
struct Token {
    u32 largest; // bits of its largest magnitude
    u64 total; // of all X, as whole numbers wrap

    __device__ __forceinline__ int exponent() const
    {
        return largest ? static_cast<int>(__float_as_uint(widened(static_cast<u16>(largest))) >> 23) - 127 : 0;
    }
};

// By all CONSUMERS: `planes` of activations [TOKENS, k], zeros from k on. Of a SPAN and token a lane has two vectors of four words, two
// eights of planes each: plane 8 i + lane / 4, its words lane % 4 and 4 further.
__device__ __forceinline__ void take_apart(u32 *planes, Token *tokens, const u16 *x, u32 k, u32 spans)
{
    const u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (threadIdx.x < TOKENS) tokens[threadIdx.x] = {};
    meet();
#pragma unroll 1
    for (u32 token = 0; token < TOKENS; ++token) {
        u32 largest = 0;
#pragma unroll 4
        for (u32 at = threadIdx.x; at < k; at += CONSUMERS) largest = max(largest, __ldg(x + token * k + at) & 0x7FFFu);
        largest = __reduce_max_sync(0xFFFFFFFF, largest);
        if (lane == 0) atomicMax(&tokens[token].largest, largest);
    }
    meet();
#pragma unroll 1
    for (u32 token = 0; token < TOKENS; ++token) {
        const int up = 30 - tokens[token].exponent(); // in two steps, as it may be no f32
        const float first = power(up / 2), second = power(up - up / 2);
        long long total = 0;
#pragma unroll 2
        for (u32 word = warp; word < spans * (SPAN / 32); word += WARPS) {
            const u32 at = word * 32 + lane, span = word / 8, place = word % 8;
            const float value = at < k ? widened(__ldg(x + token * k + at)) : 0.0f;
            const int whole = __float2int_rn(value * first * second);
            total += whole;
            const u32 plane = transposed(static_cast<u32>(whole)); // of this lane's number
            const u32 owner = lane % 8 * 4 + place % 4, eight = lane / 8;
            planes[(((span * TOKENS + token) * 2 + eight / 2) * 32 + owner) * 4 + eight % 2 * 2 + place / 4] = plane;
        }
#pragma unroll
        for (int step = 16; step; step /= 2) total += __shfl_xor_sync(0xFFFFFFFF, total, step);
        if (lane == 0) atomicAdd(&tokens[token].total, static_cast<u64>(total));
    }
    meet();
}

__device__ __forceinline__ void count(int (&sums)[4], const uint4 &a, u32 b0, u32 b1)
{
    asm volatile("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
                 : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
}

// Counts of one token: of each plane of sixteen rows, and each eight of its own planes.
typedef int Counts[ROW_TILES][BITS][EIGHTS][4];

// A row's sum from the counts that a warp has of it, as low + 2^16 high: in every fourth lane.
__device__ __forceinline__ int2 sum_of(const Counts &counts, int tile, int half)
{
    const u32 quarter = threadIdx.x % 4;
    int parts[2] = {0, 0};
#pragma unroll
    for (int part = 0; part < 2; ++part) {
#pragma unroll
        for (int plane = 0; plane < BITS; ++plane) {
            const int *low = counts[tile][plane][part * 2] + half * 2, *high = counts[tile][plane][part * 2 + 1] + half * 2;
            const int last = part == 1 && quarter == 3 ? -high[1] : high[1]; // the sign
            const int made = low[0] + 2 * low[1] + ((high[0] + 2 * last) << 8);
            parts[part] += plane == 0 ? made : -2 * made;
        }
        parts[part] <<= 2 * quarter;
        parts[part] += __shfl_xor_sync(0xFFFFFFFF, parts[part], 1);
        parts[part] += __shfl_xor_sync(0xFFFFFFFF, parts[part], 2);
    }
    return make_int2(parts[0], parts[1]);
}

// `weight`: [tiles, spans, SPAN_BYTES]; `column_scales`: [n].
extern "C" __global__ void __launch_bounds__(THREADS, 1)
gemv(const u16 *__restrict__ x, const u8 *__restrict__ weight, const float *__restrict__ column_scales, value_t *__restrict__ y, u32 n, u32 k)
{
    __shared__ Token tokens[TOKENS];
    const u32 warp = __shfl_sync(0xFFFFFFFF, threadIdx.x / 32, 0), lane = threadIdx.x % 32;
    const u32 spans = (k + SPAN - 1) / SPAN;
    u8 *const barriers = shared_bytes + STAGES * STAGE_BYTES;
    const SpanRing ring = {shared_bytes, shared_address(barriers), (n + ROWS - 1) / ROWS, spans};
    int2 *const partial = reinterpret_cast<int2 *>(barriers + BARRIERS_BYTES); // [2, WARPS, TOKENS, ROWS]
    u32 *const planes = reinterpret_cast<u32 *>(partial + 2 * WARPS * TOKENS * ROWS);

    if (warp == WARPS) {
        if (lane == 0) ring.init();
        __syncwarp();
        asm volatile("bar.arrive 2, %0;" ::"n"(THREADS) : "memory"); // nobody waits for an uninitialized barrier
        if (lane == 0) ring.fetch(weight);
        return;
    }
    take_apart(planes, tokens, x, k, spans);
    asm volatile("bar.sync 2, %0;" ::"n"(THREADS) : "memory");

    const uint4 *const own_planes = reinterpret_cast<const uint4 *>(planes) + lane;
    Turn turn = {0, 0};
    u32 parity = 0;
#pragma unroll 1
    for (u32 tile = blockIdx.x; tile < ring.tiles; tile += gridDim.x, parity ^= 1) {
        const u32 row = threadIdx.x % ROWS, column = tile * ROWS + row;
        const float column_scale = column < n ? __ldg(column_scales + column) : 0.0f; // asked for long before it is needed
        Counts counts[TOKENS] = {};
#pragma unroll 1
        for (u32 span = warp; span < spans + warp; span += WARPS, turn.next()) { // equally often in all warps
            ring.full(turn.stage).wait(turn.parity);
            if (span < spans) {
                const u8 *const codes = shared_bytes + turn.stage * STAGE_BYTES + warp * SPAN_BYTES + lane * 16;
                uint4 a[ROW_TILES][BITS];
#pragma unroll
                for (int i = 0; i < PLANES; ++i) a[i / BITS][i % BITS] = *reinterpret_cast<const uint4 *>(codes + i * 512);
#pragma unroll
                for (int token = 0; token < TOKENS; ++token)
#pragma unroll
                    for (int two = 0; two < EIGHTS / 2; ++two) {
                        const uint4 b = own_planes[((span * TOKENS + token) * 2 + two) * 32];
#pragma unroll
                        for (int i = 0; i < PLANES; ++i) {
                            count(counts[token][i / BITS][i % BITS][two * 2], a[i / BITS][i % BITS], b.x, b.y);
                            count(counts[token][i / BITS][i % BITS][two * 2 + 1], a[i / BITS][i % BITS], b.z, b.w);
                        }
                    }
            }
            __syncwarp();
            if (lane == 0) ring.empty(turn.stage).arrive();
        }
        int2 *const here = partial + parity * (WARPS * TOKENS * ROWS);
#pragma unroll
        for (int token = 0; token < TOKENS; ++token)
#pragma unroll
            for (int i = 0; i < ROW_TILES * 2; ++i) {
                const int2 sum = sum_of(counts[token], i / 2, i % 2);
                if (lane % 4 == 0) here[(warp * TOKENS + token) * ROWS + i / 2 * 16 + i % 2 * 8 + lane / 4] = sum;
            }
        meet();
        static_assert(CONSUMERS % ROWS == 0, "a thread's column stays");
        static_assert(CONSUMERS / ROWS >= TOKENS, "a thread makes one output at most");
        const u32 token = threadIdx.x / ROWS;
        if (token < TOKENS && column < n) {
            long long sum = 0;
#pragma unroll
            for (int each = 0; each < WARPS; ++each) {
                const int2 part = here[(each * TOKENS + token) * ROWS + row];
                sum += part.x + static_cast<long long>(part.y) * 65536;
            }
            const Token &of = tokens[token];
#if BITS == 1
            sum = 2 * sum - static_cast<long long>(of.total);
#endif
            const int down = of.exponent() - 30;
            const float made = __ll2float_rn(sum) * column_scale * power(down / 2) * power(down - down / 2);
            const bool finite = (of.largest & SIGNIFICANT) != SIGNIFICANT;
            y[static_cast<u64>(token) * n + column] = from_float(finite ? made : __uint_as_float(0x7FC00000));
        }
    }
}
