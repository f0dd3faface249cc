// wgmma.mma_async m64nNk32 on two operands in shared memory, N = 128 or 256: sums of 64 rows by N columns, N / 2 a thread
// (PTX ISA, wgmma.mma_async). KIND_A and KIND_B are the operands' types, FLOATING 1 says that they are fp8 and sums f32.
#pragma once

#include "common/hopper.cuh"

#include "common/wgmma_names.cuh"

#if FLOATING
typedef float sum_t;
#define SUM_TYPE "f32"
#define SUM(d) "+f"(d)
#define SIGNS ", 1, 1" // neither operand is negated; integer products have no such immediates
#else
typedef int sum_t;
#define SUM_TYPE "s32"
#define SUM(d) "+r"(d)
#define SIGNS ""
#endif

#define PRODUCT(n, names, a, b, p) \
    "{\n.reg .pred p;\nsetp.ne.b32 p, " p ", 0;\nwgmma.mma_async.sync.aligned.m64n" n "k32." SUM_TYPE "." KIND_A "." KIND_B \
    " {" names "}, " a ", " b ", p" SIGNS ";\n}"

// `adds` 0: sums start from zero.
__device__ __forceinline__ void multiply(sum_t (&d)[64], u64 a, u64 b, u32 adds)
{
    asm volatile(PRODUCT("128", NAME_64, "%64", "%65", "%66") : SUM_64(d, 0) : "l"(a), "l"(b), "r"(adds));
}
__device__ __forceinline__ void multiply(sum_t (&d)[128], u64 a, u64 b, u32 adds)
{
    asm volatile(PRODUCT("256", NAME_128, "%128", "%129", "%130")
                 : SUM_128(d, 0)
                 : "l"(a), "l"(b), "r"(adds));
}
