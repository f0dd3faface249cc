// wgmma.mma_async m64nNk16 on f16, or with BF16 1 on bf16: rows in registers, N = 8 … 256 columns in shared memory (PTX ISA,
// wgmma.mma_async; the rows' fragments are those of mma.m16n8k16, a warp's sixteen rows each). Sums in f32, N / 2 a thread.
#pragma once

#include "common/hopper.cuh"

#include "common/wgmma_names.cuh"

#define SUM(d) "+f"(d)
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
OF_COLUMNS(256, 128, "%128", "%129", "%130", "%131", "%132", "%133")
