// What several blocks have of a tile that they share (common/pieces.cuh) is left in `parts`, and who ends last adds it up.
// SUMS a thread of a part, which is 64 rows of a tile and one warpgroup's; PARTS of them a tile.
#pragma once

#include "common/tile.cuh"

#include "common/pieces.cuh"

#define WARPGROUP 128

// The sums that several blocks have of a tile, a warpgroup by itself. `parts`: two places a block, for a piece that begins within
// its tile and for one that ends within it; `done`: lines of each part of a tile, 0 before and after a launch.
template <typename Sum> struct Parts {
    Sum *parts;
    u32 *done;
    u32 *last; // in shared memory, one a warpgroup

    __device__ __forceinline__ Sum *place(u32 block, u32 which, u32 part) const
    {
        return parts + ((static_cast<u64>(block) * 2 + which) * PARTS + part) * SUMS * WARPGROUP + threadIdx.x % WARPGROUP;
    }
    __device__ __forceinline__ static void meet(u32 group) { asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory"); }

    // Whether `sums` are those of the whole tile now. What the last block has itself never leaves its registers.
    __device__ __forceinline__ bool add(Sum (&sums)[SUMS], const Piece &piece, const Pieces &pieces, u32 group,
                                        u32 part) const
    {
        u32 *count = done + piece.tile * PARTS + part;
        // Who begins a tile has its beginning last of its pieces, when others' parts of it are most often there; who ends one has it first.
        bool whole = piece.first == 0 && agree(group, [&] { return acquired(count) + piece.lines() == pieces.lines; });
        if (!whole) {
            Sum *own = place(blockIdx.x, piece.first == 0, part);
#pragma unroll
            for (int i = 0; i < SUMS; ++i) __stcg(own + i * WARPGROUP, sums[i]);
            __threadfence();
            meet(group);
            whole = agree(group, [&] { return atomicAdd(count, piece.lines()) + piece.lines() == pieces.lines; });
            if (!whole) return false;
        }
        __threadfence();
        if (threadIdx.x % WARPGROUP == 0) *count = 0;
        const u64 begin = static_cast<u64>(piece.tile) * pieces.lines;
        const u32 first = pieces.owner(begin), end = pieces.owner(begin + pieces.lines - 1);
        if constexpr (static_cast<Sum>(0.5f) == 0) { // whole numbers: their order does not matter
#pragma unroll 1
            for (u32 block = first; block <= end; ++block)
                if (block != blockIdx.x) add_part(sums, place(block, block == first, part));
        } else {
            // In the order of blocks, whoever ends last, so that sums come out the same every time; some at a time, which all fit
            // the registers beside the others.
            constexpr int AT_ONCE = SUMS < 16 ? SUMS : 16;
#pragma unroll
            for (int some = 0; some < SUMS; some += AT_ONCE) {
                Sum before[AT_ONCE] = {}, after[AT_ONCE];
#pragma unroll 1
                for (u32 block = first; block < blockIdx.x; ++block) add_part(before, place(block, block == first, part) + some * WARPGROUP);
#pragma unroll
                for (int i = 0; i < AT_ONCE; ++i) after[i] = sums[some + i] + before[i];
#pragma unroll 1
                for (u32 block = blockIdx.x + 1; block <= end; ++block) add_part(after, place(block, false, part) + some * WARPGROUP);
#pragma unroll
                for (int i = 0; i < AT_ONCE; ++i) sums[some + i] = after[i];
            }
        }
        return true;
    }
    template <int COUNT> __device__ __forceinline__ static void add_part(Sum (&to)[COUNT], const Sum *from)
    {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) to[i] += __ldcg(from + i * WARPGROUP);
    }
    __device__ __forceinline__ static u32 acquired(const u32 *from)
    {
        u32 value;
        asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(from) : "memory");
        return value;
    }
    // What one thread of the warpgroup finds, known to all.
    template <typename Find> __device__ __forceinline__ bool agree(u32 group, Find find) const
    {
        if (threadIdx.x % WARPGROUP == 0) last[group] = find();
        meet(group);
        const bool found = last[group];
        meet(group); // before it is written again
        return found;
    }
};
