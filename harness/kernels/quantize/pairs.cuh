// Values of 16 bits, two in a word, without being made f32.
#pragma once

#include "common/values.cuh"

#if VALUE != 0

#if VALUE == 1
#define PAIR_TYPE "f16x2"
#define PAIR_ONE 0x3C003C00u
#else
#define PAIR_TYPE "bf16x2"
#define PAIR_ONE 0x3F803F80u
#endif

__device__ __forceinline__ u32 pair_fma(u32 a, u32 b, u32 c)
{
    u32 made;
    asm("fma.rn." PAIR_TYPE " %0, %1, %2, %3;" : "=r"(made) : "r"(a), "r"(b), "r"(c));
    return made;
}

__device__ __forceinline__ u32 pair_max(u32 a, u32 b)
{
    u32 made;
    asm("max." PAIR_TYPE " %0, %1, %2;" : "=r"(made) : "r"(a), "r"(b));
    return made;
}

__device__ __forceinline__ u32 pair_min(u32 a, u32 b)
{
    u32 made;
    asm("min." PAIR_TYPE " %0, %1, %2;" : "=r"(made) : "r"(a), "r"(b));
    return made;
}

#if VALUE == 2 && __CUDA_ARCH__ >= 860
// x, where it is no larger than most, else most with the sign of x; most is not negative.
#define PAIR_WITHIN 1
__device__ __forceinline__ u32 pair_within(u32 x, u32 most)
{
    u32 made;
    asm("min.xorsign.abs.bf16x2 %0, %1, %2;" : "=r"(made) : "r"(x), "r"(most));
    return made;
}
#endif

__device__ __forceinline__ u32 pair_of(value_t both) { return both * 0x10001u; }

#endif

#ifndef PAIR_WITHIN
#define PAIR_WITHIN 0
#endif
