// The stored scale nearest to a wanted one, as ScaleFormat.nearest of harness/numerics/scales.py; never below the format's
// least, never above `limit`. SCALE 0 to 3.
#pragma once

#include "common/make_scale.cuh"

__device__ __forceinline__ Made nearest_scale(double wanted, const Made &limit)
{
    Made made;
    made.zero = 0.0f;
#if SCALE == 3
    // The power of two nearest in value: up from one and a half times one.
    const long long bits = __double_as_longlong(wanted);
    const int up = (bits >> 51 & 1) != 0;
    const int exponent = min(max(static_cast<int>(bits >> 52 & 0x7FF) - 1023 + up, -127), 127);
    made.stored = static_cast<u8>(exponent + 127);
    made.scale = __uint_as_float(made.stored ? static_cast<u32>(made.stored) << 23 : 0x00400000u);
#else
    const float rounded = static_cast<float>(wanted);
#if SCALE == 0
    made.stored = made.scale = fmaxf(rounded, 0x1p-126f);
#elif SCALE == 1
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(made.stored) : "f"(fminf(rounded, 65504.0f)));
    if (made.stored == 0) made.stored = 1;
    asm("cvt.f32.f16 %0, %1;" : "=f"(made.scale) : "h"(made.stored));
#else
    const u32 bits = __float_as_uint(rounded);
    made.stored = static_cast<u16>(min((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16, 0x7F7Fu));
    if (made.stored < 0x80) made.stored = 0x80;
    made.scale = __uint_as_float(static_cast<u32>(made.stored) << 16);
#endif
#endif
    return made.scale < limit.scale ? made : limit;
}
