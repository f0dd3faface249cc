// Ranges of batches as they are, which need not include 0; how those of many threads meet; and their moving average.
#pragma once

#include "common/make_scale.cuh"

#define POSITIVE_INFINITY __uint_as_float(0x7F800000u)
#define NEGATIVE_INFINITY __uint_as_float(0xFF800000u)

// f32 in the order of unsigned numbers, all above 0 but for one NaN.
__device__ __forceinline__ u32 ascending_key(float x)
{
    const u32 bits = __float_as_uint(x);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ float of_ascending_key(u32 key) { return __uint_as_float(key >> 31 ? key & 0x7FFFFFFFu : ~key); }

struct BatchRange {
    float low, high;

    __device__ __forceinline__ BatchRange() : low(POSITIVE_INFINITY), high(NEGATIVE_INFINITY) {}

    __device__ __forceinline__ void take(float x)
    {
        low = fminf(low, x);
        high = fmaxf(high, x);
    }
    template <int N> __device__ __forceinline__ void take(const float (&x)[N])
    {
#pragma unroll
        for (int i = 0; i < N; ++i) take(x[i]);
    }
    // That of the lane `distance` (a power of two) away is taken in.
    __device__ __forceinline__ void exchange(int distance)
    {
        low = fminf(low, __shfl_xor_sync(0xFFFFFFFFu, low, distance));
        high = fmaxf(high, __shfl_xor_sync(0xFFFFFFFFu, high, distance));
    }

    // keys: of the highest, and the complement of that of the lowest, so that maxima find both; 0 before. Most are no larger
    // than what is there: looking first saves atomics.
    __device__ __forceinline__ void publish(u32 *keys) const
    {
        const u32 above = ascending_key(high), below = ~ascending_key(low);
        volatile const u32 *there = keys;
        if (above > there[0]) atomicMax(keys, above);
        if (below > there[1]) atomicMax(keys + 1, below);
    }
    __device__ __forceinline__ static BatchRange of(u32 above, u32 below)
    {
        BatchRange range;
        range.high = of_ascending_key(above);
        range.low = of_ascending_key(~below);
        return range;
    }
    __device__ __forceinline__ static BatchRange published(const u32 *keys) { return of(__ldcg(keys), __ldcg(keys + 1)); }
};

// The first batch's range as it is, then each end a `weight` further to the next one's.
struct MovingRange {
    float low, high;
    bool begun;

    __device__ __forceinline__ MovingRange() : low(0.0f), high(0.0f), begun(false) {}

    __device__ __forceinline__ void take(BatchRange batch, float weight)
    {
#if UNSIGNED && !ASYMMETRIC
        batch.low = fmaxf(batch.low, 0.0f);
        batch.high = fmaxf(batch.high, 0.0f);
#endif
        low = begun ? moved(low, batch.low, weight) : batch.low;
        high = begun ? moved(high, batch.high, weight) : batch.high;
        begun = true;
    }

    // Made to include 0.
    __device__ __forceinline__ Range range() const
    {
        Range made;
#if ASYMMETRIC
        made.above = fmaxf(high, 0.0f);
        made.below = fmaxf(-low, 0.0f);
#else
        made.above = fmaxf(fmaxf(high, -low), 0.0f);
#endif
        return made;
    }

private:
    // Each operation is rounded on its own. The difference of two large f32 may not fit one, the average does.
    __device__ __forceinline__ static float moved(float average, float batch, float weight)
    {
        const float apart = __fsub_rn(batch, average);
        if (fabsf(apart) < POSITIVE_INFINITY) return __fadd_rn(average, __fmul_rn(weight, apart));
        const double wide = average;
        return static_cast<float>(wide + static_cast<double>(weight) * (static_cast<double>(batch) - wide));
    }
};
