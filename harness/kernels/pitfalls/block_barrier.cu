// Pitfall: a block's barrier taken for the grid's. Range and codes in one kernel: __syncthreads() waits for the threads of one
// block, so blocks make codes of ranges to which others have yet to add.
// Right form: quantize/two_pass.cu, where the end of a kernel is the barrier.
//
// ASYMMETRIC, UNSIGNED as in common/make_scale.cuh.
#include "common/values.cuh"
#include "common/range.cuh"
#include "pitfalls/code_of.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
quantize(const float *__restrict__ x, u32 *keys, u8 *__restrict__ codes, u64 count, float steps, int exponent, float low,
         float high)
{
    const u64 i = static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x;
    const float value = i < count ? x[i] : 0.0f;
    Range range;
    range.take(value);
    publish_warp(range, keys, 0);
    __syncthreads(); // wrong: other blocks have not published yet, some not even begun
    // Atomics see whatever any block has published by now: no stale cache is to blame.
    range.above = __uint_as_float(atomicMax(keys, 0u));
    range.below = __uint_as_float(atomicMax(keys + 1, 0u));
    const Target target = {steps, exponent, low, high};
    const Made made = make_scale(range, target, 1.0f);
    if (i < count) codes[i] = static_cast<u8>(code_of(value, made.scale, made.zero, low, high));
}
