// Values -> scales and zero points of least Kullback-Leibler divergence (harness/numerics/kl_search.py has the definition).
//
// find_range() of minmax.cu finds the ranges; count_magnitudes() the histograms of |x|, each over BINS equal bins up to the
// block's largest magnitude; diverge() the divergence of every candidate, a warp each, from sums over the first bins;
// choose_kept() takes the largest candidate among those of least divergence. Floor: the tensor's bytes, twice.
//
// Macros as in minmax.cu; BINS; COPIES of a histogram, for lanes that hit the same bin.
#include "calibration/minmax.cu"

#include "common/block_scan.cuh"

#define EPSILON 1e-4 // counts given to the edge where Q alone is zero
#define TIE 1e-9     // nats

__device__ __forceinline__ float magnitude_of(float x)
{
#if UNSIGNED
    return fmaxf(x, 0.0f);
#else
    return fabsf(x);
#endif
}

__device__ __forceinline__ float top_of(const Range &range)
{
#if ASYMMETRIC
    return fmaxf(range.above, range.below);
#else
    return range.above;
#endif
}

// Magnitude -> bin, as floor(magnitude / width) of f64 with width = top / BINS rounded to f64.
//
// First in f32: e = fl(m * fl(BINS / top)) carries two roundings of f32, so |e - m * BINS / top| <= e * 2^-22.9; the
// roundings of f64 (of the width, of the quotient) are 2^-52 of it. With slack = BINS * 2^-22, more than all of these where e
// <= BINS, both have the same whole part unless e is within the slack of a whole number; then f64 divides. (e near 0 has
// whole part 0 in both: a quotient is never negative.) Tops beyond 2^±100 would overflow or underflow f32 here, and are
// always divided.
struct Binning {
    double width;
    float inverse;
    bool divides;

    __device__ __forceinline__ explicit Binning(float top)
        : width((top > 0.0f ? static_cast<double>(top) : 1.0) / BINS),
          inverse(__fdiv_rn(BINS, top)),
          divides(!(top >= 0x1p-100f && top <= 0x1p100f))
    {
    }
    __device__ __forceinline__ u32 of(float magnitude) const
    {
        const float slack = BINS * 0x1p-22f;
        const float estimate = magnitude * inverse;
        float whole = floorf(estimate);
        const float part = estimate - whole;
        if (divides || part > 1.0f - slack || (part < slack && whole > 0.0f))
            whole = static_cast<float>(static_cast<u32>(fmin(magnitude / width, static_cast<double>(BINS))));
        return static_cast<u32>(fminf(whole, BINS - 1));
    }
};

struct Counter {
    Binning binning;
    u32 *counts;

    __device__ __forceinline__ void take(float x) { atomicAdd(counts + binning.of(magnitude_of(x)), 1u); }
    template <int N> __device__ __forceinline__ void take(const float (&x)[N])
    {
#pragma unroll
        for (int i = 0; i < N; ++i) take(x[i]);
    }
};

// A thread block takes one of the parts of a scale block. counts: BINS a scale block; 0 before where there are several parts.
extern "C" __global__ void __launch_bounds__(THREADS)
count_magnitudes(const value_t *__restrict__ x, const Range *__restrict__ ranges, u32 *__restrict__ counts, u64 count,
                 u32 parts, BLOCK_PARAMETERS)
{
    __shared__ u32 copies[COPIES][BINS];
    const u32 block = blockIdx.x / parts, part = blockIdx.x % parts;
    for (u32 i = threadIdx.x; i < COPIES * BINS; i += THREADS) copies[0][i] = 0;
    __syncthreads();
    const Blocks geometry = BLOCK_ARGUMENTS;
    const BlockPlace place(geometry, count, block);
    Counter counter = {Binning(top_of(ranges[block])), copies[threadIdx.x % COPIES]};
    place.take(counter, x, static_cast<u64>(part) * THREADS + threadIdx.x, static_cast<u64>(parts) * THREADS);
    __syncthreads();
    for (u32 i = threadIdx.x; i < BINS; i += THREADS) {
        u32 sum = 0;
        for (u32 copy = 0; copy < COPIES; ++copy) sum += copies[copy][i];
        u32 *whole = counts + static_cast<u64>(block) * BINS + i;
        if (parts == 1)
            *whole = sum;
        else if (sum)
            atomicAdd(whole, sum);
    }
}

// Codes that a block's magnitudes spread over: all where data are one-sided, about half of them where they are not.
__device__ __forceinline__ u32 levels_of(const Range &range, u32 levels)
{
#if ASYMMETRIC
    return range.above == 0.0f || range.below == 0.0f ? levels : levels / 2;
#else
    return levels;
#endif
}

__device__ __forceinline__ double x_log_x(double x) { return x > 0.0 ? x * log(x) : 0.0; }

// What a level adds to sum P ln Q: its mass, spread over its bins, less what the edge is given.
__device__ __forceinline__ double level_term(double mass, double bins, double taken)
{
    return mass > 0.0 ? mass * log(fmax(mass / bins - taken, 1e-300)) : 0.0;
}

// Divergences of a scale block's candidates, which keep levels … BINS bins: gridDim.y thread blocks share them, a warp has
// one at a time. divergences: BINS a scale block, by bins kept less one.
extern "C" __global__ void __launch_bounds__(THREADS)
diverge(const u32 *__restrict__ counts, const Range *__restrict__ ranges, double *__restrict__ divergences, u32 most_levels)
{
    __shared__ u32 mass[BINS + 1], filled[BINS + 1]; // of the first bins: counts, and bins that are not empty
    __shared__ u32 scratch[2][THREADS / 32];
    __shared__ double scratch_entropy[THREADS / 32];
    const u32 block = blockIdx.x;
    const u32 *own = counts + static_cast<u64>(block) * BINS;
    double *entropy = divergences + static_cast<u64>(block) * BINS; // sum c ln c of the first bins, until it is used
    const u32 lane = threadIdx.x % 32;
    const u32 warps = gridDim.y * (THREADS / 32), warp = blockIdx.y * (THREADS / 32) + threadIdx.x / 32;
    const u32 levels = levels_of(ranges[block], most_levels);

    const u32 each = (BINS + THREADS - 1) / THREADS, first = min(threadIdx.x * each, BINS), end = min(first + each, BINS);
    u32 sum = 0, nonzero = 0;
    double information = 0.0;
    for (u32 i = first; i < end; ++i) {
        sum += own[i];
        nonzero += own[i] > 0;
        information += x_log_x(own[i]);
    }
    u32 sum_here = sum_before(sum, scratch[0]), nonzero_here = sum_before(nonzero, scratch[1]);
    double information_here = sum_before(information, scratch_entropy);
    if (threadIdx.x == 0) mass[0] = filled[0] = 0;
    for (u32 i = first; i < end; ++i) {
        mass[i + 1] = sum_here += own[i];
        filled[i + 1] = nonzero_here += own[i] > 0;
        // Its candidate's warp, here, needs the sum of the bins before the edge.
        if (i % warps / (THREADS / 32) == blockIdx.y) entropy[i] = information_here;
        information_here += x_log_x(own[i]);
    }
    __syncthreads();

    const double whole = mass[BINS];
    for (u32 kept = warp + 1; kept <= BINS; kept += warps) {
        if (kept < levels) continue;
        const double inside = mass[kept], outliers = whole - inside;
        const double edge = own[kept - 1];
        // Bins of the last level, of which the edge is one.
        const u32 last_first = ((levels - 1) * kept + levels - 1) / levels;
        const double last_mass = mass[kept] - mass[last_first];
        const bool starved = last_mass == 0.0 && outliers > 0.0;
        const double taken = starved ? EPSILON / fmax(static_cast<double>(filled[kept]), 1.0) : 0.0;
        const bool edge_fills = edge == 0.0 && outliers > 0.0;
        double p_log_q = 0.0;
        for (u32 level = lane; level < levels; level += 32) {
            const u32 from = (level * kept + levels - 1) / levels, to = ((level + 1) * kept + levels - 1) / levels;
            const double level_mass = mass[to] - mass[from];
            const double bins = filled[to] - filled[from] + (level == levels - 1 && edge_fills ? 1u : 0u);
            p_log_q += level_term(level_mass, bins, taken);
        }
        for (int distance = 16; distance; distance /= 2) p_log_q += __shfl_xor_sync(0xFFFFFFFFu, p_log_q, distance);
        if (outliers > 0.0) {
            const double bins = filled[kept] - filled[last_first] + (edge_fills ? 1u : 0u);
            p_log_q += outliers * log(starved ? EPSILON : last_mass / bins);
        }
        if (lane == 0) {
            const double p_log_p = entropy[kept - 1] + x_log_x(edge + outliers);
            const double safe = fmax(whole, 1.0);
            const double divergence = (p_log_p - p_log_q) / safe - log(safe) + log(fmax(inside, 1.0));
            entropy[kept - 1] = inside == 0.0 && whole > 0.0 ? __longlong_as_double(0x7FF0000000000000LL) : divergence;
        }
    }
}

// The largest of the candidates that diverge least, to within TIE -> the amplitude, which clips the range. A thread block a
// scale block.
extern "C" __global__ void __launch_bounds__(THREADS)
choose_kept(const double *__restrict__ divergences, const Range *__restrict__ found, u32 most_levels, CALIBRATED_PARAMETERS)
{
    __shared__ double least_of[THREADS / 32];
    __shared__ u32 kept_of[THREADS / 32];
    const u32 block = blockIdx.x, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const double *own = divergences + static_cast<u64>(block) * BINS;
    Range range = found[block];
    const u32 levels = levels_of(range, most_levels);
    double least = __longlong_as_double(0x7FF0000000000000LL);
    for (u32 i = levels - 1 + threadIdx.x; i < BINS; i += THREADS) least = fmin(least, own[i]);
    for (int distance = 16; distance; distance /= 2) least = fmin(least, __shfl_xor_sync(0xFFFFFFFFu, least, distance));
    if (lane == 0) least_of[warp] = least;
    __syncthreads();
    for (u32 i = 0; i < THREADS / 32; ++i) least = fmin(least, least_of[i]);
    u32 kept = 0;
    for (u32 i = levels - 1 + threadIdx.x; i < BINS; i += THREADS)
        if (own[i] <= least + TIE) kept = i + 1;
    kept = __reduce_max_sync(0xFFFFFFFFu, kept);
    if (lane == 0) kept_of[warp] = kept;
    __syncthreads();
    if (threadIdx.x) return;
    for (u32 i = 0; i < THREADS / 32; ++i) kept = max(kept, kept_of[i]);
    const float largest = top_of(range);
    const float amplitude = kept == BINS ? largest : static_cast<float>(kept * Binning(largest).width);
#if ASYMMETRIC
    range.above = fminf(range.above, amplitude);
    range.below = fminf(range.below, amplitude);
#else
    range.above = amplitude;
#endif
    const Calibrated out = CALIBRATED_ARGUMENTS;
    out.put(block, range);
}
