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

__device__ __forceinline__ u32 pair_of(value_t both) { return both * 0x10001u; }

#endif
