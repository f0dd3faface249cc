// wgmma.mma_async of 64 rows (KIND_A) with N columns (KIND_B) of 32 bytes along k, in shared memory, N = 8 … 256: int8 (m64nNk32), or
// with BINARY 1 bits, of which those are counted that both have (m64nNk256, AND and population count); the rows in shared memory
// or in registers (PTX ISA, wgmma.mma_async; register fragments of A: of a warp's sixteen rows a thread has, of rows lane / 4 and
// lane / 4 + 8, the four bytes at 4 (lane % 4), then those sixteen on). Sums of 64 rows by N columns, N / 2 a thread.
#pragma once

#include "common/hopper.cuh"

#include "common/wgmma_names.cuh"

#define SUM(d) "+r"(d)
#if BINARY
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
