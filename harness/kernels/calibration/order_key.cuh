// Values as unsigned keys of the same order, and back. KEY_BITS: symmetric calibrations order magnitudes (of unsigned codes
// those of max(x, 0)), asymmetric ones order values; -0 comes before 0.
#pragma once

#include "common/values.cuh"

#define VALUE_BITS (VALUE ? 16 : 32)
#define KEY_BITS (VALUE_BITS - !ASYMMETRIC)
#define SIGN_BIT (1u << (VALUE_BITS - 1))

__device__ __forceinline__ u32 key_of(float x)
{
#if VALUE == 0
    const u32 bits = __float_as_uint(x);
#elif VALUE == 1
    const u32 bits = from_float(x);
#else
    const u32 bits = __float_as_uint(x) >> 16;
#endif
#if ASYMMETRIC
    return bits & SIGN_BIT ? bits ^ (SIGN_BIT | (SIGN_BIT - 1)) : bits | SIGN_BIT;
#elif UNSIGNED
    return bits & SIGN_BIT ? 0u : bits;
#else
    return bits & (SIGN_BIT - 1);
#endif
}

__device__ __forceinline__ float value_of(u32 key)
{
#if ASYMMETRIC
    key = key & SIGN_BIT ? key ^ SIGN_BIT : key ^ (SIGN_BIT | (SIGN_BIT - 1));
#endif
#if VALUE == 0
    return __uint_as_float(key);
#else
    return to_float(static_cast<u16>(key));
#endif
}
