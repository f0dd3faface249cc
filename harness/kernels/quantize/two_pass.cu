// Values -> scales and codes in two passes: for blocks that do not fit one multiprocessor. The ranges are found by any number
// of thread blocks together, scales are made of them, and quantize.cu goes through the tensor backwards, since its end is what
// the cache still holds. Floor: the tensor read twice, codes and scales written once.
//
// VALUE, LAYOUT, ELEMENT, BITS, SCALE, ASYMMETRIC, UNSIGNED, ROUND_UP as in common/; WIDTH, UNROLL as in common/walk.cuh.
#define BACKWARD 1
#include "quantize/quantize.cu"

#include "common/block_walk.cuh"
#include "common/range.cuh"

#if LAYOUT == 3

// A thread keeps the ranges of WIDTH columns over every gridDim.y-th row.
extern "C" __global__ void __launch_bounds__(THREADS)
find_range(const value_t *__restrict__ x, u32 *__restrict__ keys, u64 count, u32 blocks, u32 parts,
           BLOCK_PARAMETERS)
{
    const u32 column = blockIdx.x * THREADS + threadIdx.x;
    if (column >= e2) return;
    const u64 vectors = count / STEP;
    Range ranges[STEP];
    for (u64 vector = static_cast<u64>(blockIdx.y) * e2 + column; vector < vectors; vector += static_cast<u64>(parts) * e2) {
#if WIDTH
        Packet<WIDTH * sizeof(value_t)> packet;
        packet.load(x + vector * WIDTH);
        Values<WIDTH> values;
        values.unpack(packet);
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) ranges[j].take(values.at[j]);
#else
        ranges[0].take(to_float(x[vector]));
#endif
    }
#pragma unroll
    for (int j = 0; j < STEP; ++j) publish(ranges[j], keys, column * STEP + j);
}

#else

struct Seen {
    Range range;
    const value_t *__restrict__ x;

    __device__ __forceinline__ void vectors(u64 at, u64 end, u64 step) { take_vectors(range, x, at, end, step); }
    __device__ __forceinline__ void vector(u64 at) { take_vector(range, x, at); }
    __device__ __forceinline__ void element(u64 i) { range.take(to_float(x[i])); }
};

// A warp has a part of a block.
extern "C" __global__ void __launch_bounds__(THREADS)
find_range(const value_t *__restrict__ x, u32 *__restrict__ keys, u64 count, u32 blocks, u32 parts,
           BLOCK_PARAMETERS)
{
    const Part<32> own(parts);
    if (own.block >= blocks) return;
    Seen seen = {Range(), x};
    own.walk(seen, BLOCK_ARGUMENTS, count, parts);
    publish_warp(seen.range, keys, own.block);
}

#endif

extern "C" __global__ void __launch_bounds__(THREADS)
make_scales(const u32 *__restrict__ keys, scale_t *__restrict__ scales, float *__restrict__ zeros, u32 blocks, float steps,
            int exponent, float low, float high)
{
    const u32 block = blockIdx.x * THREADS + threadIdx.x;
    if (block >= blocks) return;
    Range range;
    range.above = __uint_as_float(keys[2 * block]);
#if ASYMMETRIC
    range.below = __uint_as_float(keys[2 * block + 1]);
#endif
    const Target target = {steps, exponent, low, high};
    const Made made = make_scale(range, target, 1.0f);
    scales[block] = made.stored;
    zeros[block] = made.zero;
}
