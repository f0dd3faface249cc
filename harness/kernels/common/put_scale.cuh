// Ranges -> scales and zero points in memory. Of scales with two levels (SCALE 4) the ranges are kept until the tensor's
// largest magnitude is known; make_scales() makes them then.
#pragma once

#include "common/make_scale.cuh"

struct Calibrated {
    scale_t *__restrict__ scales;
    float *__restrict__ zeros; // ASYMMETRIC only
    Range *__restrict__ ranges; // where ranges are wanted, else null
    u32 *__restrict__ top;      // SCALE 4: bits of the largest magnitude, 0 before
    Target target;

    __device__ __forceinline__ void put(u32 block, const Range &range) const
    {
        if (ranges) ranges[block] = range;
#if SCALE == 4
        const u32 key = __float_as_uint(range.above);
        if (key > *top) atomicMax(top, key);
#else
        store(block, make_scale(range, target, 1.0f));
#endif
    }
    __device__ __forceinline__ void store(u32 block, const Made &made) const
    {
        scales[block] = made.stored;
#if ASYMMETRIC
        zeros[block] = made.zero;
#endif
    }
};

#define CALIBRATED_PARAMETERS \
    scale_t *__restrict__ scales, float *__restrict__ zeros, Range *__restrict__ ranges, u32 *__restrict__ top, float steps, \
        int exponent, float low, float high
#define CALIBRATED_ARGUMENTS {scales, zeros, ranges, top, {steps, exponent, low, high}}

#if SCALE == 4

extern "C" __global__ void __launch_bounds__(THREADS) make_scales(CALIBRATED_PARAMETERS, u32 blocks)
{
    const u32 block = blockIdx.x * THREADS + threadIdx.x;
    if (block >= blocks) return;
    const Calibrated out = CALIBRATED_ARGUMENTS;
    out.store(block, make_scale(ranges[block], out.target, whole_scale(__uint_as_float(*top), steps)));
}

#endif
