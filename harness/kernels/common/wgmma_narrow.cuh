// wgmma.mma_async of 64 rows (KIND_A) with N columns (KIND_B) of 32 bytes along k, in shared memory, N = 8 … 256: int8 (m64nNk32), or
// with BITS 1 bits, of which those are counted that both have (m64nNk256, AND and population count); the rows in shared memory
// or in registers (PTX ISA, wgmma.mma_async; register fragments of A: of a warp's sixteen rows a thread has, of rows lane / 4 and
// lane / 4 + 8, the four bytes at 4 (lane % 4), then those sixteen on). Sums of 64 rows by N columns, N / 2 a thread.
#pragma once

#include "common/hopper.cuh"

#define SUM_4(d, i) "+r"(d[i]), "+r"(d[i + 1]), "+r"(d[i + 2]), "+r"(d[i + 3])
#define SUM_8(d, i) SUM_4(d, i), SUM_4(d, i + 4)
#define SUM_16(d, i) SUM_8(d, i), SUM_8(d, i + 8)
#define SUM_32(d, i) SUM_16(d, i), SUM_16(d, i + 16)
#define SUM_64(d, i) SUM_32(d, i), SUM_32(d, i + 32)
#define SUM_128(d, i) SUM_64(d, i), SUM_64(d, i + 64)

// clang-format off
#define NAME_4 "%0, %1, %2, %3"
#define NAME_8 NAME_4 ", %4, %5, %6, %7"
#define NAME_16 NAME_8 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define NAME_32 NAME_16 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define NAME_64 NAME_32 \
    ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47" \
    ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define NAME_128 NAME_64 \
    ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79" \
    ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95" \
    ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111" \
    ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
// clang-format on

#if BITS
#define DEEP "k256"
#define COMBINED ".and.popc"
#else
#define DEEP "k32"
#define COMBINED ""
#endif
#define NARROW_PRODUCT(n, names, a, b, p) \
    "{\n.reg .pred p;\nsetp.ne.b32 p, " p ", 0;\nwgmma.mma_async.sync.aligned.m64n" n DEEP ".s32." KIND_A "." KIND_B COMBINED \
    " {" names "}, " a ", " b ", p;\n}"

// `adds` 0: sums start from zero. `b`: descriptor of the columns; `a`: that of the rows, or their registers.
#define NARROW(n, count, at0, at1, at2, at3, at4, at5)                                                                 \
    __device__ __forceinline__ void multiply(int (&d)[count], u64 a, u64 b, u32 adds)                                  \
    {                                                                                                                  \
        asm volatile(NARROW_PRODUCT(#n, NAME_##count, at0, at1, at2) : SUM_##count(d, 0) : "l"(a), "l"(b), "r"(adds)); \
    }                                                                                                                  \
    __device__ __forceinline__ void multiply(int (&d)[count], const u32 (&a)[4], u64 b, u32 adds)                      \
    {                                                                                                                  \
        asm volatile(NARROW_PRODUCT(#n, NAME_##count, "{" at0 ", " at1 ", " at2 ", " at3 "}", at4, at5)                \
                     : SUM_##count(d, 0)                                                                               \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds));                                 \
    }

NARROW(8, 4, "%4", "%5", "%6", "%7", "%8", "%9")
NARROW(16, 8, "%8", "%9", "%10", "%11", "%12", "%13")
NARROW(32, 16, "%16", "%17", "%18", "%19", "%20", "%21")
NARROW(64, 32, "%32", "%33", "%34", "%35", "%36", "%37")
NARROW(128, 64, "%64", "%65", "%66", "%67", "%68", "%69")
NARROW(256, 128, "%128", "%129", "%130", "%131", "%132", "%133")

// Uses of these registers stay on their side of this: the compiler sees no other tie between them and the wait.
template <typename T, int N> __device__ __forceinline__ void pin(T (&d)[N])
{
#pragma unroll
    for (int i = 0; i < N; ++i) asm volatile("" : "+r"(d[i])::"memory");
}
