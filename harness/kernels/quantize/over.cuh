// Quotients of whole numbers that all threads divide alike: nearly all divisors are powers of two, and a shift is what is left of
// some fifteen dependent instructions that stand before a thread's first load.
#pragma once

__device__ __forceinline__ u32 over(u32 index, u32 by)
{
    return by & (by - 1) ? index / by : index >> (31 - __clz(by));
}
