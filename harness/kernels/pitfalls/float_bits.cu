// Pitfall: the least f32 by atomicMin on its bits. As signed integers non-negative floats are ordered, but negative ones the
// wrong way round: the least integer among them is the float nearest to 0.
// Right form: quantize/two_pass.cu, which publishes max(x, 0) and max(-x, 0): neither is negative.
//
// ASYMMETRIC 1 as in common/make_scale.cuh.
#include "common/values.cuh"
#include "common/make_scale.cuh"
#include "pitfalls/code_of.cuh"

struct Ends {
    int least, most; // bits of f32
};

extern "C" __global__ void __launch_bounds__(THREADS) begin_ranges(Ends *ends, u32 blocks)
{
    const u32 block = blockIdx.x * THREADS + threadIdx.x;
    if (block < blocks) ends[block] = {0x7F7FFFFF, static_cast<int>(0xFF7FFFFFu)}; // ± the largest f32
}

// Scale blocks are runs of `length` values.
extern "C" __global__ void __launch_bounds__(THREADS)
find_ranges(const float *__restrict__ x, Ends *ends, u64 count, u32 length)
{
    const u64 i = static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x;
    if (i >= count) return;
    const int bits = static_cast<int>(__float_as_uint(x[i]));
    atomicMin(&ends[i / length].least, bits); // wrong: of two negative floats it keeps the one nearer to 0
    atomicMax(&ends[i / length].most, bits);  // wrong: the same, where all are negative
}

extern "C" __global__ void __launch_bounds__(THREADS)
quantize(const float *__restrict__ x, const Ends *__restrict__ ends, u8 *__restrict__ codes, float *__restrict__ scales,
         float *__restrict__ zeros, u64 count, u32 length, float steps, int exponent, float low, float high)
{
    const u64 i = static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x;
    if (i >= count) return;
    const u64 block = i / length;
    Range range;
    range.above = fmaxf(__uint_as_float(static_cast<u32>(ends[block].most)), 0.0f);
    range.below = fmaxf(-__uint_as_float(static_cast<u32>(ends[block].least)), 0.0f);
    const Target target = {steps, exponent, low, high};
    const Made made = make_scale(range, target, 1.0f);
    codes[i] = static_cast<u8>(code_of(x[i], made.scale, made.zero, low, high));
    if (i % length == 0) {
        scales[block] = made.stored;
        zeros[block] = made.zero;
    }
}
