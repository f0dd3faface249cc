// Which scale an element has. LAYOUT: 0 one scale, 1 one a run of neighbours, 2 a grid of blocks, 3 one a column
// (harness/kernels/common/block_layout.py). Indices count vectors along the last axis, single elements where the
// width is 1.
#pragma once

struct Blocks {
    u32 e1, e2;     // extents of axes 1 and 2
    u32 b0, b1, b2; // extents of a block
    u32 g0, g1;     // strides of the grid of blocks

    __device__ __forceinline__ u32 of(u32 index) const
    {
#if LAYOUT == 0
        return 0;
#elif LAYOUT == 1
        return index / b2;
#elif LAYOUT == 2
        const u32 row = index / e2, column = index % e2;
        const u32 outer = row / e1, inner = row % e1;
        return outer / b0 * g0 + inner / b1 * g1 + column / b2;
#else
        return index % e2;
#endif
    }
};

#define BLOCK_PARAMETERS u32 e1, u32 e2, u32 b0, u32 b1, u32 b2, u32 g0, u32 g1
#define BLOCK_ARGUMENTS {e1, e2, b0, b1, b2, g0, g1}
