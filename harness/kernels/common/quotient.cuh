// Many x divided by one scale, for codes: the code of a quotient made here is that of the IEEE quotient.
#pragma once

#include "common/values.cuh"

// Quotients keep the sign of x, zeros too.
#define QUOTIENT_SIGNED (VALUE != 0 || SCALE == 3)

struct Divisor {
    float scale;
    float inverse, rest; // 1 / scale: the f32 at or below it, and what that lacks
    bool near;           // whether of() may be asked

    __device__ __forceinline__ Divisor() {}
    __device__ __forceinline__ explicit Divisor(float by) : scale(by)
    {
#if SCALE == 3
        // A power of two has an exact reciprocal: the products are the quotients. 2^-127 and 2^127 are each other's.
        inverse = __uint_as_float(max(0x7F000000u - (__float_as_uint(scale) & 0x7F800000u), 0x00400000u));
        near = true;
#else
        // Within 2^±64 no remainder of a quotient above 2^-20 underflows. Of a binary code all that counts is whether a
        // quotient is 0 or below, down to the least f32.
        near = ELEMENT != 1 && scale >= 0x1p-64f && scale <= 0x1p64f;
        float rough;
        asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(rough) : "f"(scale));
        inverse = fmaf(fmaf(-scale, rough, 1.0f), rough, rough);
#if VALUE != 0
        float lacking = fmaf(-scale, inverse, 1.0f); // exact
        if (lacking < 0.0f) {
            inverse = __uint_as_float(__float_as_uint(inverse) - 1u);
            lacking = fmaf(-scale, inverse, 1.0f);
        }
        const float first = lacking * inverse;
        rest = __fmaf_ru(first, lacking, first);
#endif
#endif
    }

    // least and most: multiples of the scale that x may be clamped to.
    __device__ __forceinline__ float of(float x, float least, float most) const
    {
#if SCALE == 3
        return x * inverse;
#elif VALUE != 0
        // Off by less than 2^-45 of itself before its rounding. Of x with 11 bits and every threshold of every format, the
        // quotients that come nearer than that to where their code changes are eleven: of those this is right, by
        // tests/kernels/test_quotient.py.
        return fmaf(x, inverse, x * rest);
#else
        // Corrected twice: the first correction makes it faithful, the second exact (Markstein, IBM J. Res. Dev. 34-1, 1990;
        // it is how division is done, less its care for the ends of the range). x, clamped, keeps quotients from overflow.
        const float inside = fminf(fmaxf(x, least), most);
        const float first = inside * inverse;
        const float second = fmaf(fmaf(-first, scale, inside), inverse, first);
        return fmaf(fmaf(-second, scale, inside), inverse, second);
#endif
    }
};
