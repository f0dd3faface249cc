// wgmma.mma_async m64nNk32 on two operands in shared memory, N = 128 or 256: sums of 64 rows by N columns, N / 2 a thread
// (PTX ISA, wgmma.mma_async). KIND_A and KIND_B are the operands' types, FLOATING 1 says that they are fp8 and sums f32.
#pragma once

#include "common/hopper.cuh"

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

#define SUMS_8(d, i) \
    SUM(d[i]), SUM(d[i + 1]), SUM(d[i + 2]), SUM(d[i + 3]), SUM(d[i + 4]), SUM(d[i + 5]), SUM(d[i + 6]), SUM(d[i + 7])
#define SUMS_32(d, i) SUMS_8(d, i), SUMS_8(d, i + 8), SUMS_8(d, i + 16), SUMS_8(d, i + 24)

// clang-format off
#define NAMES_64 \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define NAMES_UP_TO_128 \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
    "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
    "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
// clang-format on

#define PRODUCT(n, names, a, b, p) \
    "{\n.reg .pred p;\nsetp.ne.b32 p, " p ", 0;\nwgmma.mma_async.sync.aligned.m64n" n "k32." SUM_TYPE "." KIND_A "." KIND_B \
    " {" names "}, " a ", " b ", p" SIGNS ";\n}"

// `adds` 0: sums start from zero.
__device__ __forceinline__ void multiply(sum_t (&d)[64], u64 a, u64 b, u32 adds)
{
    asm volatile(PRODUCT("128", NAMES_64, "%64", "%65", "%66") : SUMS_32(d, 0), SUMS_32(d, 32) : "l"(a), "l"(b), "r"(adds));
}
__device__ __forceinline__ void multiply(sum_t (&d)[128], u64 a, u64 b, u32 adds)
{
    asm volatile(PRODUCT("256", NAMES_64 ", " NAMES_UP_TO_128, "%128", "%129", "%130")
                 : SUMS_32(d, 0), SUMS_32(d, 32), SUMS_32(d, 64), SUMS_32(d, 96)
                 : "l"(a), "l"(b), "r"(adds));
}

// Uses of the sums stay on their side of this: the compiler sees no other tie between them and the wait.
template <int N> __device__ __forceinline__ void pin(sum_t (&d)[N])
{
#pragma unroll
    for (int i = 0; i < N; ++i) asm volatile("" : SUM(d[i])::"memory");
}
