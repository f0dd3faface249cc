// What the pitfalls on the device have in common: the right code of a value, as harness/numerics/quantize.py has it.
#pragma once

__device__ __forceinline__ u32 code_of(float x, float scale, float zero, float low, float high)
{
    return static_cast<u32>(static_cast<int>(fminf(fmaxf(rintf(__fdiv_rn(x, scale)) + zero, low), high)));
}
