// The elements of one scale block, taken by the threads that share it: every layout of common/blocks.cuh.
//
// A taker has take(float) and take(const float (&)[N]). WIDTH as in common/walk.cuh; in LAYOUT 3, whose blocks are columns,
// WIDTH is 0.
#pragma once

#include "common/values.cuh"

#include "common/blocks.cuh" // takes its types from the above

#define IN_FLIGHT 4

// What one load brings.
struct Piece {
#if WIDTH
    Packet<WIDTH * sizeof(value_t)> packet;

    __device__ __forceinline__ void load(const value_t *x, u64 vector) { packet.load(x + vector * WIDTH); }
    template <typename Taker> __device__ __forceinline__ void give(Taker &taker) const
    {
        Values<WIDTH> values;
        values.unpack(packet);
        taker.take(values.at);
    }
#else
    value_t raw;

    __device__ __forceinline__ void load(const value_t *x, u64 i) { raw = __ldg(x + i); }
    template <typename Taker> __device__ __forceinline__ void give(Taker &taker) const { taker.take(to_float(raw)); }
#endif
};

// Where one block lies. Its vectors are numbered from 0; the tensor's last one may be short, and then has no number.
struct BlockPlace {
    u64 start, vectors;   // first vector, how many
    u64 tail, tail_end;   // elements of the short vector, none where they are equal
    u32 width, height;    // LAYOUT 2: vectors of a row, rows before the next outer index
    u32 pitch, plane;     // LAYOUT 2: vectors from row to row, rows from one outer index to the next; LAYOUT 3: pitch alone
    u64 elements;

    __device__ __forceinline__ BlockPlace(const Blocks &blocks, u64 count, u32 block) : tail(0), tail_end(0)
    {
        const u64 whole = count / STEP;
#if LAYOUT < 2
        const u64 length = LAYOUT ? blocks.b2 : whole + 1;
        start = block * length;
        vectors = start < whole ? min(length, whole - start) : 0;
        if (start <= whole && whole < start + length) {
            tail = whole * STEP;
            tail_end = count;
        }
        elements = vectors * STEP + (tail_end - tail);
#elif LAYOUT == 2
        const u32 e0 = static_cast<u32>(whole / blocks.e2 / blocks.e1);
        const u32 outer = block / blocks.g0 * blocks.b0, inner = block % blocks.g0 / blocks.g1 * blocks.b1;
        const u32 column = block % blocks.g1 * blocks.b2;
        const u32 depth = min(blocks.b0, e0 - outer);
        height = min(blocks.b1, blocks.e1 - inner);
        width = min(blocks.b2, blocks.e2 - column);
        pitch = blocks.e2;
        plane = blocks.e1;
        start = (static_cast<u64>(outer) * plane + inner) * pitch + column;
        vectors = static_cast<u64>(depth) * height * width;
        elements = vectors * STEP;
#else
        start = block;
        pitch = blocks.e2;
        vectors = elements = blocks.e2 ? count / blocks.e2 : 0;
#endif
    }

    // Of a vector of the block in the tensor.
    __device__ __forceinline__ u64 at(u64 i) const
    {
#if LAYOUT < 2
        return start + i;
#elif LAYOUT == 2
        const u32 row = static_cast<u32>(i) / width, outer = row / height;
        return start + static_cast<u64>(outer * plane + row - outer * height) * pitch + (static_cast<u32>(i) - row * width);
#else
        return start + i * pitch;
#endif
    }

    // Every step-th vector from `first` on; the short vector's elements are dealt alike.
    template <typename Taker> __device__ __forceinline__ void take(Taker &taker, const value_t *x, u64 first, u64 step) const
    {
        take_vectors(taker, x, first, vectors, step);
        take_tail(taker, x, first, step);
    }

    // The same of vectors `begin` … `end` - 1 alone, and of the short one where those reach it.
    template <typename Taker>
    __device__ __forceinline__ void take_run(Taker &taker, const value_t *x, u64 begin, u64 end, u64 first, u64 step) const
    {
        take_vectors(taker, x, begin + first, min(end, vectors), step);
        if (end > vectors) take_tail(taker, x, first, step);
    }

    // The same for takers that have much to do with each vector: code for one, one in flight.
    template <typename Taker>
    __device__ __forceinline__ void take_singly(Taker &taker, const value_t *x, u64 first, u64 step) const
    {
#pragma unroll 1
        for (u64 i = first; i < vectors; i += step) {
            Piece piece;
            piece.load(x, at(i));
            piece.give(taker);
        }
        take_tail(taker, x, first, step);
    }

private:
    template <typename Taker>
    __device__ __forceinline__ void take_vectors(Taker &taker, const value_t *x, u64 i, u64 end, u64 step) const
    {
        Piece pieces[IN_FLIGHT];
        for (; i + (IN_FLIGHT - 1) * step < end; i += IN_FLIGHT * step) {
#pragma unroll
            for (int j = 0; j < IN_FLIGHT; ++j) pieces[j].load(x, at(i + j * step));
#pragma unroll
            for (int j = 0; j < IN_FLIGHT; ++j) pieces[j].give(taker);
        }
        // The last loads are in flight together too.
        if (i < end) {
#pragma unroll
            for (int j = 0; j < IN_FLIGHT - 1; ++j)
                if (i + j * step < end) pieces[j].load(x, at(i + j * step));
#pragma unroll
            for (int j = 0; j < IN_FLIGHT - 1; ++j)
                if (i + j * step < end) pieces[j].give(taker);
        }
    }

    template <typename Taker>
    __device__ __forceinline__ void take_tail(Taker &taker, const value_t *x, u64 first, u64 step) const
    {
#pragma unroll 1
        for (u64 e = tail + first; e < tail_end; e += step) taker.take(to_float(__ldg(x + e)));
    }
};

// Which block and which part of it the TEAM threads of this one have. Teams smaller than a thread block have whole blocks.
struct Team {
    u32 lane, block, part;
    bool present;

    __device__ __forceinline__ Team(u32 blocks, u32 parts)
    {
        const u32 team = blockIdx.x * (THREADS / TEAM) + threadIdx.x / TEAM;
        lane = threadIdx.x % TEAM;
        block = team / parts;
        part = team % parts;
        present = block < blocks;
        if (!present) block = 0;
    }
};

// Whether this thread block is the last of the `parts` that share what `ticket` (0 before, and after) counts. All threads call.
__device__ __forceinline__ bool arrived_last(u32 *ticket, u32 parts)
{
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicInc(ticket, parts - 1) == parts - 1;
    __syncthreads();
    __threadfence();
    return last;
}
