// Error of a quantized tensor in one read of tensor and codes: sums in f64, in a fixed order, so that the same operands
// give the same bits. NaN and Inf are counted and left out.
//
// VALUE, LAYOUT, ELEMENT, BITS, SIGNED, SCALE, ASYMMETRIC as in common/; WIDTH as in common/walk.cuh. measure() leaves one row
// of figures a block, finish() adds the rows up. lowest and highest: what lies half a code beyond the range, in units of
// the scale.
#include "common/values.cuh"
#include "common/walk.cuh"
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

// Values between these are surely not saturated: the range in units of the tensor, less a little for every rounding on the way.
struct Interior {
    float under, over;

    __device__ __forceinline__ Interior(const Affine &affine, float lowest, float highest)
        : under((lowest - affine.zero) * affine.scale * 0.99999f), over((highest - affine.zero) * affine.scale * 0.99999f)
    {
    }
};

// What one thread sees. Its counts fit 32 bits; they are whole numbers, cheaper than sums in f64.
struct Tally {
    double rounding, clipping, signal, largest;
    u32 saturated, nan, inf;

    // x above `under` and below `over` is finite and not saturated: then no division has to say so.
    __device__ __forceinline__ void take(float x, float value, const Affine &affine, const Interior &inside, float lowest, float highest)
    {
        const double exact = x;
        const double error = static_cast<double>(affine.decode(value)) - exact;
        if (x > inside.under && x < inside.over) {
            rounding = fma(error, error, rounding);
        } else {
            if (!(fabsf(x) <= 3.402823466e38f)) {
                if (x != x) ++nan; else ++inf;
                return;
            }
            const float scaled = __fdiv_rn(x, affine.scale) + affine.zero;
            if (scaled > highest || scaled < lowest) {
                clipping = fma(error, error, clipping);
                ++saturated;
            } else {
                rounding = fma(error, error, rounding);
            }
        }
        signal = fma(exact, exact, signal);
        largest = fabs(error) > largest ? fabs(error) : largest;
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
measure(const value_t *__restrict__ x, const u8 *__restrict__ codes, SCALE_PARAMETERS, Figures *__restrict__ rows, u64 count,
        float lowest, float highest, BLOCK_PARAMETERS)
{
    begin_elements();
    const Lookup lookup(SCALE_ARGUMENTS, BLOCK_ARGUMENTS);
    const u64 step = static_cast<u64>(gridDim.x) * THREADS;
    const u64 thread = static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x;
    Tally seen = {};
#if WIDTH
    const u64 vectors = count / WIDTH;
#pragma unroll 2
    for (u64 vector = thread; vector < vectors; vector += step) {
        Packet<WIDTH * sizeof(value_t)> packet;
        Packet<(WIDTH * BITS + 7) / 8> code_packet;
        packet.load(x + vector * WIDTH);
        code_packet.load(codes + vector * (WIDTH * BITS) / 8);
        Values<WIDTH> values;
        float code_values[WIDTH];
        values.unpack(packet);
        unpack_codes(code_packet, code_values, static_cast<u32>(vector * (WIDTH * BITS) % 8));
#if LAYOUT == 3
        const u32 column = lookup.blocks.of(static_cast<u32>(vector)) * WIDTH;
#else
        const Affine affine = lookup.at(static_cast<u32>(vector));
        const Interior inside(affine, lowest, highest);
#endif
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) {
#if LAYOUT == 3
            const Affine affine(lookup.scales, column + j);
            const Interior inside(affine, lowest, highest);
#endif
            seen.take(values.at[j], code_values[j], affine, inside, lowest, highest);
        }
    }
    const u64 first = vectors * WIDTH; // the last vector may be short
#else
    const u64 first = 0;
#endif
    for (u64 i = first + thread; i < count; i += step) {
        const Affine affine = lookup.of_element(i);
        seen.take(to_float(x[i]), stored_value(codes, i), affine, Interior(affine, lowest, highest), lowest, highest);
    }
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
