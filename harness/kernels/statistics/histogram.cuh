// How often each code occurs. Shared counters, COPIES of each so that lanes do not wait for each other; whole bytes of codes
// narrower than 8 bits are counted as one, so that a shared atomic stands for 8 / BITS codes. Whole numbers: any order of
// adding gives the same.
#pragma once

#ifndef COPIES
#define COPIES 32
#endif
#ifndef COUNT_CODES
#define COUNT_CODES 1
#endif

#define CODES (1 << BITS)
#define BY_BYTES (BITS != 6 && WIDTH * BITS % 8 == 0 && WIDTH > 0)
#define BINS (BY_BYTES ? 256 : CODES)

// By the byte that is counted: the distance of two bins in bytes, in that byte. In memory, as an operand is read there at no cost.
__constant__ u32 bin_distances[4] = {COPIES * 4u, COPIES * 4u << 8, COPIES * 4u << 16, COPIES * 4u << 24};

static_assert(COPIES % 4 == 0, "copies are cleared and read by fours");

struct Histogram {
    alignas(16) u32 copies[BINS * COPIES];
    u32 codes[CODES];

    // By all threads, with a barrier after.
    __device__ __forceinline__ void clear()
    {
        uint4 *fours = reinterpret_cast<uint4 *>(copies);
        for (u32 i = threadIdx.x; i < BINS * COPIES / 4; i += THREADS) fours[i] = {0u, 0u, 0u, 0u};
        for (u32 i = threadIdx.x; i < CODES; i += THREADS) codes[i] = 0;
        __syncthreads();
    }

    // Where this thread's copy of bin 0 is. Volatile: found once and kept, or the compiler finds it again for each vector.
    __device__ __forceinline__ u32 own() const
    {
        u32 here;
        asm volatile("mov.u32 %0, %1;"
                     : "=r"(here)
                     : "r"(static_cast<u32>(__cvta_generic_to_shared(copies)) + threadIdx.x % COPIES * 4));
        return here;
    }

    __device__ __forceinline__ static void count_at(u32 address)
    {
#if COUNT_CODES
        asm volatile("red.shared.add.u32 [%0], 1;" ::"r"(address));
#endif
    }
    __device__ __forceinline__ static void count(u32 own, u32 bin) { count_at(own + bin * (COPIES * 4)); }

    // N codes as they are stored, from bit `shift` on, into the copy that is at `own`.
    template <int N>
    __device__ __forceinline__ void add(u32 own, const Packet<(N * BITS + 7) / 8> &packet, u32 shift)
    {
        constexpr int BYTES = (N * BITS + 7) / 8;
        union { Packet<BYTES> packet; u32 words[(BYTES + 3) / 4]; } in;
        in.packet = packet;
#if BY_BYTES
        // A product of four bytes of which three are 0: taking a byte out, and its bin's place, in one instruction.
        static_assert(COPIES <= 32, "a bin's bytes are a factor of 8 bits");
#pragma unroll
        for (int i = 0; i < BYTES; ++i) count_at(__dp4a(in.words[i / 4], bin_distances[i % 4], own));
#else
        if (N * BITS < 8) in.words[0] >>= shift;
#pragma unroll
        for (int i = 0; i < N; ++i) {
            u32 code = in.words[i * BITS / 32] >> (i * BITS % 32);
            if (i * BITS % 32 + BITS > 32) code |= in.words[i * BITS / 32 + 1] << (32 - i * BITS % 32);
            count(own, code & (CODES - 1));
        }
#endif
    }

    // A single code.
    __device__ __forceinline__ void add(u32 code)
    {
#if COUNT_CODES
        atomicAdd(codes + code, 1u);
#endif
    }

    // All of the thread block's, by all of its threads: added to `counts`.
    __device__ __forceinline__ void flush(u32 *counts)
    {
        __syncthreads();
        for (u32 bin = threadIdx.x; bin < BINS; bin += THREADS) {
            u32 sum = 0;
            // Lanes start at copies of their own: eight neighbours, whose loads are one, then have all banks.
            const uint4 *fours = reinterpret_cast<const uint4 *>(copies + bin * COPIES);
#pragma unroll
            for (u32 i = 0; i < COPIES / 4; ++i) {
                const uint4 four = fours[(i + threadIdx.x) % (COPIES / 4)];
                sum += four.x + four.y + four.z + four.w;
            }
            if (sum == 0) continue;
#pragma unroll
            for (int i = 0; i < (BY_BYTES ? 8 / BITS : 1); ++i) atomicAdd(codes + (bin >> (i * BITS) & (CODES - 1)), sum);
        }
        __syncthreads();
        for (u32 code = threadIdx.x; code < CODES; code += THREADS)
            if (codes[code]) atomicAdd(counts + code, codes[code]);
    }
};

__device__ __forceinline__ Histogram &histogram()
{
    __shared__ Histogram shared;
    return shared;
}
