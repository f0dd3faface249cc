// A ring of STAGES in shared memory for blocks that stay and take tiles of rows of a packed weight: one thread has the SPANs of k of all WARPS
// copied at once, ahead of the products and across tiles. Compute capability 9.0.
#pragma once

#include "common/ring.cuh"

#define CONSUMERS (32 * WARPS)
#define THREADS (CONSUMERS + 32)
#define STAGE_BYTES (WARPS * SPAN_BYTES)
#define BARRIERS_BYTES ((STAGES + 1) * 16)

// All warps but the one that fetches.
__device__ __forceinline__ void meet() { asm volatile("bar.sync 1, %0;" ::"n"(CONSUMERS) : "memory"); }

struct SpanRing {
    u8 *stages;
    u32 barriers; // full ones, empty ones, the activations' one
    u32 tiles, spans;

    __device__ __forceinline__ Barrier full(u32 stage) const { return {barriers + stage * 8}; }
    __device__ __forceinline__ Barrier empty(u32 stage) const { return {barriers + (STAGES + stage) * 8}; }
    __device__ __forceinline__ Barrier activations() const { return {barriers + 2 * STAGES * 8}; }

    __device__ __forceinline__ void init() const
    {
#pragma unroll 1
        for (u32 i = 0; i < STAGES; ++i) {
            full(i).init(1);
            empty(i).init(WARPS);
        }
        activations().init(1);
        publish_barriers();
    }
    // The spans of all warps, one round after the other, tile after tile.
    __device__ __forceinline__ void fetch(const u8 *weight) const
    {
        Turn turn = {0, 0};
#pragma unroll 1
        for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
            const u8 *from = weight + static_cast<u64>(tile) * spans * SPAN_BYTES;
#pragma unroll 1
            for (u32 span = 0; span < spans; span += WARPS, turn.next(), from += STAGE_BYTES) {
                const u32 bytes = min(spans - span, static_cast<u32>(WARPS)) * SPAN_BYTES;
                empty(turn.stage).wait(turn.parity ^ 1);
                full(turn.stage).arrive_expecting(bytes);
                copy_bytes(shared_address(stages + turn.stage * STAGE_BYTES), from, bytes, full(turn.stage));
            }
        }
    }
};
