// Tiles of a product shared out so that no block is idle (stream-K, arXiv 2301.03598, section 5.3): those that are no whole round of
// blocks line by line and first, then the others whole. A line is a step along k, whatever a source makes of it. What several blocks
// have of a tile is left in `parts`, and who ends last adds it up; that is waited for only where there are fewer tiles than blocks.
// SUMS a thread of a part, which is 64 rows or so of a tile and one warpgroup's; PARTS of them a tile.
#pragma once

#include "common/tile.cuh"

#define WARPGROUP 128

// What a block does of a tile: lines `first` to `end` of it.
struct Piece {
    u32 tile, first, end;

    __device__ __forceinline__ u32 lines() const { return end - first; }
};

// A block's pieces, one after the other: its share of the first tiles' lines, counted through, then every gridDim.x-th of the others.
struct Pieces {
    u32 lines, tiles, shared; // of these tiles so many are shared
    u64 at, end;              // lines
    u32 whole;                // the next tile that is this block's alone

    __device__ __forceinline__ Pieces(u32 tiles, u32 lines)
        : lines(lines), tiles(tiles), shared(tiles % gridDim.x), at(begin_of(blockIdx.x)), end(begin_of(blockIdx.x + 1)),
          whole(shared + blockIdx.x)
    {
    }
    __device__ __forceinline__ u64 total() const { return static_cast<u64>(shared) * lines; }
    __device__ __forceinline__ u64 begin_of(u32 block) const { return total() * block / gridDim.x; }
    // The block that has this line of those.
    __device__ __forceinline__ u32 owner(u64 line) const { return static_cast<u32>(((line + 1) * gridDim.x - 1) / total()); }
    __device__ __forceinline__ bool next(Piece &piece)
    {
        if (at < end) {
            piece.tile = static_cast<u32>(at / lines);
            piece.first = static_cast<u32>(at % lines);
            piece.end = static_cast<u32>(min(static_cast<u64>(lines), piece.first + (end - at)));
            at += piece.lines();
            return true;
        }
        if (whole >= tiles) return false;
        piece = {whole, 0, lines};
        whole += gridDim.x;
        return true;
    }
};

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
        bool whole = agree(group, [&] { return acquired(count) + piece.lines() == pieces.lines; });
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
        // In the order of blocks, whoever ends last, so that sums in f32 come out the same every time; some at a time, which all fit
        // the registers beside the others.
        constexpr int AT_ONCE = SUMS < 16 ? SUMS : 16;
#pragma unroll
        for (int some = 0; some < SUMS; some += AT_ONCE) {
            Sum all[AT_ONCE] = {};
#pragma unroll 1
            for (u32 block = first; block < blockIdx.x; ++block) add_part(all, place(block, block == first, part) + some * WARPGROUP);
#pragma unroll
            for (int i = 0; i < AT_ONCE; ++i) sums[some + i] += all[i];
#pragma unroll 1
            for (u32 block = blockIdx.x + 1; block <= end; ++block) {
                const Sum *from = place(block, false, part) + some * WARPGROUP;
#pragma unroll
                for (int i = 0; i < AT_ONCE; ++i) sums[some + i] += __ldcg(from + i * WARPGROUP);
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
