// What Hopper's asynchronous copies and products are driven by: mbarriers, tensor maps, register budgets, matrix descriptors.
// No header of CUDA's is needed. Shared memory is named by its 32-bit addresses (PTX ISA, state spaces). sm_90a.
#pragma once

#include "common/tile.cuh"

typedef unsigned short u16;

// A CUtensorMap, handed over by value (PTX ISA, tensor-map: 128 bytes, opaque; here in the kernel's parameters, aligned to 64).
struct alignas(64) TensorMap {
    unsigned char opaque[128];
};

__device__ __forceinline__ u32 shared_address(const void *of) { return static_cast<u32>(__cvta_generic_to_shared(of)); }

// PTX ISA, mbarrier. A barrier starts in phase 0 and turns to the next one when `count` arrivals and, of the copies, all bytes
// that were announced are in. wait(parity) returns when the phase of that parity is complete; on a new barrier the phase
// before the first (parity 1) counts as complete, so that a producer finds its stages empty.
struct Barrier {
    u32 address;

    __device__ __forceinline__ void init(u32 count) const
    {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address), "r"(count) : "memory");
    }
    __device__ __forceinline__ void arrive() const
    {
        asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address) : "memory");
    }
    __device__ __forceinline__ void arrive_expecting(u32 bytes) const
    {
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address), "r"(bytes) : "memory");
    }
    __device__ __forceinline__ bool complete(u32 parity) const
    {
        u32 done;
        asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                     : "=r"(done)
                     : "r"(address), "r"(parity)
                     : "memory");
        return done;
    }
    __device__ __forceinline__ void wait(u32 parity) const
    {
        while (!complete(parity)) {}
    }
};

// New barriers are made known to the copies (PTX ISA, membar/fence: fence.mbarrier_init; the async proxy: fence.proxy.async).
__device__ __forceinline__ void publish_barriers()
{
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void prefetch_map(const TensorMap *map)
{
    asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// The box at (byte, row) of a matrix of bytes, in the background (PTX ISA, cp.async.bulk.tensor). What lies outside of the
// matrix arrives as zeros, and counts: the barrier is told of whole boxes.
__device__ __forceinline__ void copy_box(u32 to, const TensorMap *map, u32 byte, u32 row, Barrier barrier)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(to),
                 "l"(map), "r"(byte), "r"(row), "r"(barrier.address)
                 : "memory");
}

// PTX ISA, setmaxnreg: every warp of a warpgroup runs the same one.
template <int REGISTERS> __device__ __forceinline__ void give_registers_back()
{
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}
template <int REGISTERS> __device__ __forceinline__ void take_registers()
{
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

#define LINE_BYTES 128
#define ATOM_BYTES (8 * LINE_BYTES)

// Of an operand whose rows (of LINE_BYTES along k) lie one after the other, as a box of the 128-byte swizzle leaves them (PTX
// ISA, wgmma matrix descriptor): bits 0-13 the address, 16-29 the leading offset (of no meaning where k is one line, as here: 1),
// 32-45 the stride between cores of eight rows, all in units of 16 bytes; 49-51 the base offset, 0 as every tile starts at a
// multiple of 1024 bytes; 62-63 the swizzle, 1: 128 bytes. The swizzle works on addresses, so that a step along k within the
// line is a step of the address alone.
__device__ __forceinline__ u64 descriptor(u32 address)
{
    return static_cast<u64>((address & 0x3FFFF) >> 4) | 1ull << 16 | static_cast<u64>(ATOM_BYTES >> 4) << 32 | 1ull << 62;
}

// PTX ISA, asynchronous wgmma: registers and shared memory are handed over by the fence; products that were put in a group
// are done when no more than PENDING younger groups are open.
__device__ __forceinline__ void open_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void close_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int PENDING> __device__ __forceinline__ void wait_products()
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}
