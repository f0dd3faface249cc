// Tiles of a product shared out so that no block is idle (stream-K, arXiv 2301.03598): line by line, a line being a step along k,
// whatever a source makes of it. Where tiles are many they stay whole, every gridDim.x-th a block's: what idle blocks lose in the last
// round is less than what handing sums over costs, and tiles of one time are near each other.
#pragma once

// Up to so many tiles a block they are shared.
#ifndef SHARED_ROUNDS
#define SHARED_ROUNDS 4
#endif

// What a block does of a tile: lines `first` to `end` of it.
struct Piece {
    u32 tile, first, end;

    __device__ __forceinline__ u32 lines() const { return end - first; }
};

// A block's pieces, one after the other: of all tiles' lines, counted through, its share; or its whole tiles.
struct Pieces {
    u32 lines, tiles;
    u32 sharers; // blocks, none of which is left without a line; 0: tiles are whole
    u64 at, end; // lines; of whole tiles tiles

    __device__ __forceinline__ Pieces(u32 tiles, u32 lines)
        : lines(lines), tiles(tiles),
          sharers(tiles <= SHARED_ROUNDS * gridDim.x ? static_cast<u32>(min(total(), static_cast<u64>(gridDim.x))) : 0),
          at(sharers ? begin_of(blockIdx.x) : blockIdx.x), end(sharers ? begin_of(blockIdx.x + 1) : tiles)
    {
    }
    __device__ __forceinline__ u64 total() const { return static_cast<u64>(tiles) * lines; }
    __device__ __forceinline__ u64 begin_of(u32 block) const { return block < sharers ? total() * block / sharers : total(); }
    // The block that has this line.
    __device__ __forceinline__ u32 owner(u64 line) const { return static_cast<u32>(((line + 1) * sharers - 1) / total()); }
    __device__ __forceinline__ bool next(Piece &piece)
    {
        if (at >= end) return false;
        if (sharers) {
            piece.tile = static_cast<u32>(at / lines);
            piece.first = static_cast<u32>(at % lines);
            piece.end = static_cast<u32>(min(static_cast<u64>(lines), piece.first + (end - at)));
            at += piece.lines();
        } else {
            piece = {static_cast<u32>(at), 0, lines};
            at += gridDim.x;
        }
        return true;
    }
};
