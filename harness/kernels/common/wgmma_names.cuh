// Operands of wgmma.mma_async in inline assembly, by how many sums a thread has: their names, and their constraints (SUM: that of one).
#pragma once

#define SUM_4(d, i) SUM(d[i]), SUM(d[i + 1]), SUM(d[i + 2]), SUM(d[i + 3])
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

// Uses of these registers stay on their side of this: the compiler sees no other tie between them and the wait.
template <int N> __device__ __forceinline__ void pin(float (&d)[N])
{
#pragma unroll
    for (int i = 0; i < N; ++i) asm volatile("" : "+f"(d[i])::"memory");
}
template <typename T, int N> __device__ __forceinline__ void pin(T (&d)[N])
{
#pragma unroll
    for (int i = 0; i < N; ++i) asm volatile("" : "+r"(d[i])::"memory");
}
