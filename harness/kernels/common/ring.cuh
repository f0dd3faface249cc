// A ring of STAGES in shared memory that copies fill in the background while products empty it. sm_90a.
#pragma once

#include "common/hopper.cuh"

// A place in the ring, and the parity of the barriers' phase there.
struct Turn {
    u32 stage, parity;

    __device__ __forceinline__ void next()
    {
        stage = stage + 1 == STAGES ? 0 : stage + 1;
        parity ^= stage == 0;
    }
};

// The barriers of a ring's stages: `full` says that a stage's bytes are there, `empty` that all warps are done with it.
struct Barriers {
    u32 address; // STAGES of the one kind, then of the other

    __device__ __forceinline__ Barrier full(u32 stage) const { return {address + stage * 8}; }
    __device__ __forceinline__ Barrier empty(u32 stage) const { return full(STAGES + stage); }
    // By one thread; `warps` are those that empty stages.
    __device__ __forceinline__ void init(u32 warps) const
    {
        for (u32 stage = 0; stage < STAGES; ++stage) {
            full(stage).init(1);
            empty(stage).init(warps);
        }
        publish_barriers();
    }
    // By all threads: they are there for everyone afterwards.
    __device__ __forceinline__ void begin(u32 warps) const
    {
        if (threadIdx.x == 0) init(warps);
        __syncthreads();
    }
};

// Neighbouring bytes, in the background, told to a barrier that expects them (PTX ISA, cp.async.bulk); addresses and `bytes` are
// multiples of 16.
__device__ __forceinline__ void copy_bytes(u32 to, const void *from, u32 bytes, Barrier barrier)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from),
                 "r"(bytes), "r"(barrier.address)
                 : "memory");
}
