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

// Neighbouring bytes, in the background, told to a barrier that expects them (PTX ISA, cp.async.bulk); addresses and `bytes` are
// multiples of 16.
__device__ __forceinline__ void copy_bytes(u32 to, const void *from, u32 bytes, Barrier barrier)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from),
                 "r"(bytes), "r"(barrier.address)
                 : "memory");
}
