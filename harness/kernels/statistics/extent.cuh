// Where a scale block's vectors are. LAYOUT as in common/blocks.cuh; indices count vectors of STEP elements.
#pragma once

#include "common/blocks.cuh"

// An index of vectors, and one that steps beyond the last of them: fewer than 2^30, or 2^32 single elements.
#if WIDTH
typedef u32 index_t;
#else
typedef u64 index_t;
#endif

// A block's place: where its vectors are, and how many.
struct Extent {
    index_t start, length;
#if LAYOUT == 2
    u32 width, height;
    u32 outer, inner, column;
#endif
    u64 elements;

    // One that is not there has no vectors.
    __device__ __forceinline__ Extent(const Blocks &blocks, u64 count, u32 block, bool there)
    {
        const index_t vectors = static_cast<index_t>(count / STEP);
#if LAYOUT == 0
        start = 0;
        length = there ? vectors : 0;
        elements = count;
#elif LAYOUT == 1
        start = static_cast<index_t>(block) * blocks.b2;
        const index_t end = min(start + blocks.b2, vectors);
        length = there && end > start ? end - start : 0;
        elements = there ? min(static_cast<u64>(blocks.b2) * STEP, count - static_cast<u64>(start) * STEP) : 0;
#elif LAYOUT == 2
        const u32 e0 = static_cast<u32>(vectors / blocks.e2 / blocks.e1), at = there ? block : 0;
        outer = at / blocks.g0 * blocks.b0;
        inner = at % blocks.g0 / blocks.g1 * blocks.b1;
        column = at % blocks.g1 * blocks.b2;
        width = min(blocks.b2, blocks.e2 - column);
        height = min(blocks.b1, blocks.e1 - inner);
        length = there ? static_cast<index_t>(min(blocks.b0, e0 - outer)) * height * width : 0;
        start = 0;
        elements = static_cast<u64>(length) * STEP;
#endif
    }

    __device__ __forceinline__ index_t vector(index_t i, const Blocks &blocks) const
    {
#if LAYOUT == 2
        const u32 row = static_cast<u32>(i) / width, along = static_cast<u32>(i) % width;
        return static_cast<index_t>((outer + row / height) * blocks.e1 + inner + row % height) * blocks.e2 + column + along;
#else
        return start + i;
#endif
    }

    // Vectors of a whole block, the same for all.
    __device__ __forceinline__ static index_t most(const Blocks &blocks, u64 count)
    {
#if LAYOUT == 0
        return static_cast<index_t>(count / STEP);
#elif LAYOUT == 1
        return blocks.b2;
#else
        return static_cast<index_t>(blocks.b0) * blocks.b1 * blocks.b2;
#endif
    }
};

// Every stride-th vector of a block from the at-th on: divisions once a block, then additions.
struct Cursor {
    index_t vector, step;
#if LAYOUT == 2
    u32 along, row; // of the block's axes 2 and 1
    u32 step_along, step_row;
    u32 width, height;
#endif

    __device__ __forceinline__ Cursor(const Extent &extent, const Blocks &blocks, index_t at, index_t stride)
    {
        vector = extent.vector(at, blocks);
#if LAYOUT == 2
        width = extent.width;
        height = extent.height;
        along = at % width;
        row = at / width % height;
        step_along = stride % width;
        step_row = stride / width % height;
        step = (stride / width / height * blocks.e1 + step_row) * blocks.e2 + step_along;
#else
        step = stride;
#endif
    }

    __device__ __forceinline__ void advance(const Blocks &blocks)
    {
        vector += step;
#if LAYOUT == 2
        along += step_along;
        row += step_row;
        if (along >= width) {
            along -= width;
            ++row;
            vector += blocks.e2 - width;
        }
        if (row >= height) {
            row -= height;
            vector += (blocks.e1 - height) * blocks.e2;
        }
#endif
    }
};
