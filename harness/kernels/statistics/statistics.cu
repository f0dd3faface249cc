// Error of a quantized tensor in one read of tensor and codes: sums in f64, in a fixed order, so that the same operands
// give the same bits. NaN and Inf are counted and left out.
//
// VALUE, LAYOUT, ASYMMETRIC, BITS, SIGNED as in common/; WIDTH, UNROLL as in quantize.cu. measure() leaves one row of figures a
// block, finish() adds the rows up.
#include "common/values.cuh"
#include "common/blocks.cuh"
#include "common/affine.cuh"
#include "common/codes.cuh"

#define WARPS (THREADS / 32)
#define FIGURES 7

struct Figures {
    double rounding, clipping, signal; // sums of squares: error inside and outside the range, tensor
    double largest;                    // largest |error|
    double saturated, nan, inf;        // counts, exact up to 2^53

    __device__ __forceinline__ void clear() { rounding = clipping = signal = largest = saturated = nan = inf = 0.0; }

    __device__ __forceinline__ void add(const Figures &other)
    {
        rounding += other.rounding;
        clipping += other.clipping;
        signal += other.signal;
        largest = fmax(largest, other.largest);
        saturated += other.saturated;
        nan += other.nan;
        inf += other.inf;
    }

    __device__ __forceinline__ Figures below(int distance) const
    {
        Figures other;
        const double *from = &rounding;
        double *to = &other.rounding;
#pragma unroll
        for (int i = 0; i < FIGURES; ++i) to[i] = __shfl_down_sync(0xFFFFFFFFu, from[i], distance);
        return other;
    }
};

// What one thread sees. Its counts fit 32 bits; they are whole numbers, cheaper than sums in f64.
struct Tally {
    double rounding, clipping, signal, largest;
    u32 saturated, nan, inf;

    __device__ __forceinline__ void take(float x, float code, const Affine &affine, float low, float high)
    {
        if (!(fabsf(x) <= 3.402823466e38f)) {
            if (x != x) ++nan; else ++inf;
            return;
        }
        const double exact = x;
        const double error = static_cast<double>(affine.decode(code)) - exact;
        const double square = error * error, magnitude = fabs(error);
        const float scaled = __fdiv_rn(x, affine.scale) + affine.zero;
        signal += exact * exact;
        if (magnitude > largest) largest = magnitude;
        if (scaled > high + 0.5f || scaled < low - 0.5f) {
            clipping += square;
            ++saturated;
        } else {
            rounding += square;
        }
    }
};

// The block's total, in thread 0.
__device__ __forceinline__ void reduce(Figures &mine)
{
    __shared__ Figures totals[WARPS];
#pragma unroll
    for (int distance = 16; distance; distance /= 2) mine.add(mine.below(distance));
    if (threadIdx.x % 32 == 0) totals[threadIdx.x / 32] = mine;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int warp = 1; warp < WARPS; ++warp) mine.add(totals[warp]);
}

extern "C" __global__ void __launch_bounds__(THREADS)
measure(const value_t *__restrict__ x, const u8 *__restrict__ codes, const float *__restrict__ scales,
        const float *__restrict__ zeros, Figures *__restrict__ rows, u64 count, float low, float high, BLOCK_PARAMETERS)
{
    const Blocks blocks = BLOCK_ARGUMENTS;
    const u64 step = static_cast<u64>(gridDim.x) * THREADS;
    const u64 thread = static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x;
    Tally seen = {};
#if WIDTH
    const u64 whole = count / WIDTH;
#pragma unroll 2
    for (u64 vector = thread; vector < whole; vector += step) {
        Packet<WIDTH * sizeof(value_t)> packet;
        Packet<WIDTH * BITS / 8> code_packet;
        packet.load(x + vector * WIDTH);
        code_packet.load(codes + vector * (WIDTH * BITS / 8));
        Values<WIDTH> values;
        float code[WIDTH];
        values.unpack(packet);
        unpack_codes(code_packet, code);
        const u32 block = blocks.of(static_cast<u32>(vector));
#if LAYOUT != 3
        const Affine affine(scales, zeros, block);
#endif
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) {
#if LAYOUT == 3
            const Affine affine(scales, zeros, block * WIDTH + j);
#endif
            seen.take(values.at[j], code[j], affine, low, high);
        }
    }
    const u64 start = whole * WIDTH; // the last vector may be short, its block is one
    if (thread < count - start) {
        const Affine affine(scales, zeros, blocks.of(static_cast<u32>(whole)));
        const u64 i = start + thread;
        seen.take(to_float(x[i]), code_value(codes[i * BITS / 8] >> (i * BITS % 8)), affine, low, high);
    }
#else
    for (u64 i = thread; i < count; i += step) {
        const Affine affine(scales, zeros, blocks.of(static_cast<u32>(i)));
        seen.take(to_float(x[i]), code_value(codes[i * BITS / 8] >> (i * BITS % 8)), affine, low, high);
    }
#endif
    Figures mine = {seen.rounding, seen.clipping, seen.signal, seen.largest,
                    static_cast<double>(seen.saturated), static_cast<double>(seen.nan), static_cast<double>(seen.inf)};
    reduce(mine);
    if (threadIdx.x == 0) rows[blockIdx.x] = mine;
}

extern "C" __global__ void __launch_bounds__(THREADS)
finish(const Figures *__restrict__ rows, Figures *__restrict__ total, u32 count)
{
    Figures mine;
    mine.clear();
    for (u32 row = threadIdx.x; row < count; row += THREADS) mine.add(rows[row]);
    reduce(mine);
    if (threadIdx.x == 0) *total = mine;
}
