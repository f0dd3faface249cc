// Pitfall: a warp's reduction taken for the block's. A thread block has a row; each of its warps finds the range of what it read
// and writes the row's scale: the last to write decides.
// Right form: quantize/dynamic.cu, which reduces warps, and then what the warps found.
//
// ASYMMETRIC, UNSIGNED as in common/make_scale.cuh.
#include "common/values.cuh"
#include "common/make_scale.cuh"
#include "pitfalls/code_of.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
quantize(const float *__restrict__ x, u8 *__restrict__ codes, float *scales, float *zeros, u32 columns, float steps, int exponent,
         float low, float high)
{
    const u64 start = static_cast<u64>(blockIdx.x) * columns;
    Range range;
    for (u32 i = threadIdx.x; i < columns; i += THREADS) range.take(x[start + i]);
#pragma unroll
    for (int distance = 16; distance; distance /= 2) range.exchange(distance);
    if (threadIdx.x % 32 == 0) {
        const Target target = {steps, exponent, low, high};
        const Made made = make_scale(range, target, 1.0f);
        scales[blockIdx.x] = made.stored; // wrong: every warp writes what it alone saw
        zeros[blockIdx.x] = made.zero;
    }
    __syncthreads();
    const float scale = scales[blockIdx.x], zero = zeros[blockIdx.x];
    for (u32 i = threadIdx.x; i < columns; i += THREADS)
        codes[start + i] = static_cast<u8>(code_of(x[start + i], scale, zero, low, high));
}
