// How teams walk through a scale block: each takes every parts-th step of it. LAYOUT 0 to 2 as in common/blocks.cuh; indices
// count vectors of STEP elements.
#pragma once

#include "common/blocks.cuh"
#include "common/values.cuh"

// What a team of LANES threads has: one part of a block. Of one block for the whole tensor the parts are all teams.
template <int LANES> struct Part {
    u32 lane, block, part;

    __device__ __forceinline__ explicit Part(u32 parts)
    {
        const u64 team = (static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x) / LANES;
        lane = threadIdx.x % LANES;
        block = static_cast<u32>(team / parts);
        part = static_cast<u32>(team % parts);
    }

    // body.vectors(at, end, step): every step-th from `at` on; body.vector(at); body.element(i), of a short last vector.
    template <typename Body> __device__ __forceinline__ void walk(Body &&body, const Blocks &blocks, u64 count, u32 parts) const
    {
#if LAYOUT < 2
        const u64 vectors = count / STEP;
        const u64 length = LAYOUT ? blocks.b2 : vectors + 1;
        const u64 start = block * length;
        body.vectors(start + part * LANES + lane, min(start + length, vectors), static_cast<u64>(parts) * LANES);
        if (part == 0 && start <= vectors && vectors < start + length)
            for (u64 i = vectors * STEP + lane; i < count; i += LANES) body.element(i);
#else
        const u32 e1 = blocks.e1, e2 = blocks.e2, e0 = static_cast<u32>(count / STEP / e2 / e1);
        const u32 outer = block / blocks.g0 * blocks.b0, inner = block % blocks.g0 / blocks.g1 * blocks.b1;
        const u32 column = block % blocks.g1 * blocks.b2;
        const u32 depth = min(blocks.b0, e0 - outer), height = min(blocks.b1, e1 - inner), width = min(blocks.b2, e2 - column);
        for (u32 i = part * LANES + lane; i < depth * height * width; i += parts * LANES) {
            const u32 row = i / width;
            body.vector(static_cast<u64>((outer + row / height) * e1 + inner + row % height) * e2 + column + i % width);
        }
#endif
    }
};

// Elements of a block, of which those at the end of an axis are smaller. LAYOUT 3 too.
__device__ __forceinline__ double block_elements(u64 count, u32 block, const Blocks &blocks)
{
#if LAYOUT == 0
    return static_cast<double>(count);
#elif LAYOUT == 1
    const u64 start = static_cast<u64>(block) * blocks.b2 * STEP;
    return static_cast<double>(min(static_cast<u64>(blocks.b2) * STEP, count - start));
#elif LAYOUT == 2
    const u32 e0 = static_cast<u32>(count / STEP / blocks.e2 / blocks.e1);
    const u32 depth = min(blocks.b0, e0 - block / blocks.g0 * blocks.b0);
    const u32 height = min(blocks.b1, blocks.e1 - block % blocks.g0 / blocks.g1 * blocks.b1);
    const u32 width = min(blocks.b2, blocks.e2 - block % blocks.g1 * blocks.b2);
    return static_cast<double>(depth) * height * width * STEP;
#else
    return static_cast<double>(count / blocks.e2);
#endif
}
