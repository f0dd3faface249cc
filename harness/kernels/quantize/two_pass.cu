// Values -> scales and codes in two passes: for blocks that do not fit one multiprocessor. The ranges are found by any number of
// thread blocks together, scales are made of them, and quantize.cu goes through the tensor backwards, since its end is what
// the cache still holds. Floor: the tensor read twice, codes and scales written once.
//
// VALUE, LAYOUT, ELEMENT, BITS, SCALE, ASYMMETRIC, UNSIGNED, ROUND_UP as in common/; WIDTH, UNROLL as in common/walk.cuh.
#define BACKWARD 1
#include "quantize/quantize.cu"

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

// A warp takes every parts-th step of 32 vectors of a block; of one block for the whole tensor the parts are all warps.
extern "C" __global__ void __launch_bounds__(THREADS)
find_range(const value_t *__restrict__ x, u32 *__restrict__ keys, u64 count, u32 blocks, u32 parts,
           BLOCK_PARAMETERS)
{
    const u32 lane = threadIdx.x % 32;
    const u64 warp = (static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x) / 32;
    const u32 block = static_cast<u32>(warp / parts), part = static_cast<u32>(warp % parts);
    if (block >= blocks) return;
    Range range;
#if LAYOUT < 2
    const u64 vectors = count / STEP;
    const u64 length = LAYOUT ? b2 : vectors + 1;
    const u64 start = block * length;
    take_vectors(range, x, start + part * 32 + lane, min(start + length, vectors), static_cast<u64>(parts) * 32);
    // The tensor's last vector may be short.
    if (part == 0 && start <= vectors && vectors < start + length)
        for (u64 i = vectors * STEP + lane; i < count; i += 32) range.take(to_float(x[i]));
#else
    const u32 e0 = static_cast<u32>(count / STEP / e2 / e1);
    const u32 outer = block / g0 * b0, inner = block % g0 / g1 * b1, column = block % g1 * b2;
    const u32 depth = min(b0, e0 - outer), height = min(b1, e1 - inner), width = min(b2, e2 - column);
    for (u32 i = part * 32 + lane; i < depth * height * width; i += parts * 32) {
        const u32 row = i / width;
        const u64 at = static_cast<u64>((outer + row / height) * e1 + inner + row % height) * e2 + column + i % width;
        take_vector(range, x, at);
    }
#endif
    publish_warp(range, keys, block);
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
