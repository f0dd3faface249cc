// wgmma.mma_async m64nNk16 on f16, or with BF16 1 on bf16: rows in registers, N = 8 … 128 columns in shared memory (PTX ISA,
// wgmma.mma_async; the rows' fragments are those of mma.m16n8k16, a warp's sixteen rows each). Sums in f32, N / 2 a thread.
#pragma once

#include "common/hopper.cuh"

#define SUM_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define SUM_8(d, i) SUM_4(d, i), SUM_4(d, i + 4)
#define SUM_16(d, i) SUM_8(d, i), SUM_8(d, i + 8)
#define SUM_32(d, i) SUM_16(d, i), SUM_16(d, i + 16)
#define SUM_64(d, i) SUM_32(d, i), SUM_32(d, i + 32)

// clang-format off
#define NAME_4 "%0, %1, %2, %3"
#define NAME_8 NAME_4 ", %4, %5, %6, %7"
#define NAME_16 NAME_8 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define NAME_32 NAME_16 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define NAME_64 NAME_32 \
    ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47" \
    ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
// clang-format on

#if BF16
#define HALVES "bf16.bf16"
#else
#define HALVES "f16.f16"
#endif

// `adds` 0: sums start from zero. `b`: descriptor of the columns.
#define OF_COLUMNS(n, count, at0, at1, at2, at3, at4, at5)                                                               \
    __device__ __forceinline__ void multiply(float (&d)[count], const u32 (&a)[4], u64 b, u32 adds)                      \
    {                                                                                                                    \
        asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " at5 ", 0;\nwgmma.mma_async.sync.aligned.m64n" #n "k16.f32." HALVES \
                     " {" NAME_##count "}, {" at0 ", " at1 ", " at2 ", " at3 "}, " at4 ", p, 1, 1, 0;\n}"                \
                     : SUM_##count(d, 0)                                                                                 \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds));                                   \
    }

OF_COLUMNS(8, 4, "%4", "%5", "%6", "%7", "%8", "%9")
OF_COLUMNS(16, 8, "%8", "%9", "%10", "%11", "%12", "%13")
OF_COLUMNS(32, 16, "%16", "%17", "%18", "%19", "%20", "%21")
OF_COLUMNS(64, 32, "%32", "%33", "%34", "%35", "%36", "%37")
OF_COLUMNS(128, 64, "%64", "%65", "%66", "%67", "%68", "%69")

// Uses of these registers stay on their side of this: the compiler sees no other tie between them and the wait.
template <int N> __device__ __forceinline__ void pin(float (&d)[N])
{
#pragma unroll
    for (int i = 0; i < N; ++i) asm volatile("" : "+f"(d[i])::"memory");
}
template <int N> __device__ __forceinline__ void pin(u32 (&d)[N])
{
#pragma unroll
    for (int i = 0; i < N; ++i) asm volatile("" : "+r"(d[i])::"memory");
}
