// Element formats: what a code of BITS bits stands for at scale 1, and the code nearest to a value.
// begin_elements() comes before the first element_value, begin_encoding() before the first encode_kept, from all threads.
//
// ELEMENT: 0 integers of SIGNED or unsigned codes, ternary among them (two bits, two's complement), 1 binary (bit 1 is +1),
// 2 floats of a sign, EXPONENT and MANTISSA bits, 3 NF4. Everything is as harness/numerics/formats.py says: nearest, ties to
// the even code, saturating; what rounds to zero keeps its sign.
//
// Sources: OCP 8-bit Floating Point Specification 1.0; OCP Microscaling Formats 1.0; Dettmers et al., arXiv 2305.14314, E.
#pragma once

// encode_kept(y, x): the raw code of the quotient y of x; round_kept: what it stands for at scale 1. Both want y within what
// codes reach, or one f32 beyond, but for encode_kept where SATURATES. element_value: what a code stands for (bits above its own
// may be set). A raw code is a code and RAW, and of integers of less than a byte what keeps it from being negative (code_bias).

// Adding it leaves the nearest whole number, ties to even, in the low bits: 1.5 * 2^23.
#define WHOLE 12582912.0f
#define WHOLE_BITS 0x4B400000u

#if ELEMENT == 2 && BITS == 8 && __CUDA_ARCH__ >= 890
#define NATIVE 1
#else
#define NATIVE 0
#endif
// Whether encode_kept (of native codes encode_pair) takes any quotient.
#if NATIVE || ELEMENT == 3 || ELEMENT == 2 && EXPONENT == 2
#define SATURATES true
#else
#define SATURATES false
#endif
#if ELEMENT == 0 || ELEMENT == 2 && EXPONENT == 2
#define RAW WHOLE_BITS
#else
#define RAW 0u
#endif

#if ELEMENT == 2

#define BIAS ((1 << (EXPONENT - 1)) - 1)
#define FLOAT_SIGN (1u << (EXPONENT + MANTISSA))

// What is added to a magnitude of at most the largest value: the sum's low bits count units of the magnitude's binade, rounded
// to even.
__device__ __forceinline__ u32 binade_of(float magnitude) { return max(__float_as_uint(magnitude) >> 23, 128u - BIAS); }
__device__ __forceinline__ float rounder(u32 binade) { return __uint_as_float((binade + (23 - MANTISSA)) << 23); }

// With the sign of x.
__device__ __forceinline__ u32 encode_kept(float y, float x)
{
    const float magnitude = fabsf(y);
#if EXPONENT == 2
    // Three binades, whose codes lie on lines each half as steep as the one before: the lowest line counts.
    constexpr float UNIT_CODES = 1 << MANTISSA;
    const float lower = fmaf(magnitude, UNIT_CODES, WHOLE), middle = fmaf(magnitude, UNIT_CODES / 2, WHOLE + UNIT_CODES);
    const float upper = fmaf(magnitude, UNIT_CODES / 4, WHOLE + 2 * UNIT_CODES), last = WHOLE + (4 * UNIT_CODES - 1);
    const u32 code = __float_as_uint(fminf(fminf(lower, middle), fminf(upper, last)));
    return code - (static_cast<int>(__float_as_uint(x)) >> 31) * FLOAT_SIGN;
#else
    // Units are counted on from the binade's first code.
    const u32 binade = binade_of(magnitude);
    const u32 units = __float_as_uint(magnitude + rounder(binade)) & 0x7FFFFFu;
    const u32 code = units + ((binade - (128u - BIAS)) << MANTISSA);
    return code | (__float_as_uint(x) >> 31) * FLOAT_SIGN;
#endif
}

__device__ __forceinline__ float round_kept(float y, float x)
{
    const float magnitude = fabsf(y), large = rounder(binade_of(magnitude));
    return copysignf(__fsub_rn(__fadd_rn(magnitude, large), large), x);
}

#if NATIVE
// Two fp8 codes by one instruction, the first in the low byte.
__device__ __forceinline__ u32 encode_pair(float y0, float y1)
{
    u16 pair;
#if EXPONENT == 4
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(y1), "f"(y0));
#else
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(y1), "f"(y0));
#endif
    return pair;
}
#endif

__device__ __forceinline__ float element_value(u32 code)
{
    // Exponent and mantissa in place of an f32's are off by a power of two, subnormal ones too.
    const float small = __uint_as_float((code & (FLOAT_SIGN - 1)) << (23 - MANTISSA));
    const float value = small * __uint_as_float((254u - BIAS) << 23);
    return __uint_as_float(__float_as_uint(value) | (code & FLOAT_SIGN) << (31 - EXPONENT - MANTISSA));
}

#elif ELEMENT == 3

__device__ const float NF4_VALUES[16] = {
    -1.f, -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f, -0.18477343f, -0.091050036f, 0.f,
    0.0795803f, 0.1609302f, 0.2461123f, 0.33791524f, 0.44070983f, 0.562617f, 0.72295684f, 1.f};

// [-1, 1] in cells of 1/16, in which at most one threshold lies: that threshold, else the last one below,
// else one above all of the cell; and the code of what is below it.
struct Nf4Cells {
    float thresholds[33];
    u32 codes[33];
};

// The smallest f32 that round to codes 1 to 15 (ElementFormat.thresholds), put into their cells while this is compiled: none is
// so near the border of a cell that nf4_cell's rounding could move it.
__device__ constexpr Nf4Cells nf4_cells()
{
    const float thresholds[15] = {
        -0.8480964f, -0.6106329f, -0.45999524f, -0.33967942f, -0.2346074f, -0.13791172f, -0.045525014f, 0.03979015f,
        0.120255254f, 0.20352125f, 0.2920138f, 0.38931254f, 0.50166345f, 0.6427869f, 0.86147845f};
    Nf4Cells made = {};
    for (int cell = 0; cell < 33; ++cell) {
        bool here = false;
        for (int i = 0; i < 15; ++i) {
            const int at = static_cast<int>(64.0 * thresholds[i] + 64.5) / 4;
            if (at < cell) ++made.codes[cell];
            if (at == cell) made.thresholds[cell] = thresholds[i];
            here = here || at == cell;
        }
        if (!here) made.thresholds[cell] = made.codes[cell] ? thresholds[--made.codes[cell]] : 2.0f;
    }
    return made;
}

__device__ const Nf4Cells NF4_CELLS = nf4_cells();

// In shared memory each has a bank (the cells of 1 and -1 share one), so that no two lanes wait for each other.
__device__ __forceinline__ float *nf4_values()
{
    __shared__ float values[16];
    return values;
}

__device__ __forceinline__ Nf4Cells &nf4_cells_here()
{
    __shared__ Nf4Cells cells;
    return cells;
}

__device__ __forceinline__ void begin_elements()
{
    for (u32 i = threadIdx.x; i < 16; i += blockDim.x) nf4_values()[i] = NF4_VALUES[i];
    __syncthreads();
}

__device__ __forceinline__ void begin_encoding()
{
    for (u32 i = threadIdx.x; i < 33; i += blockDim.x) {
        nf4_cells_here().thresholds[i] = NF4_CELLS.thresholds[i];
        nf4_cells_here().codes[i] = NF4_CELLS.codes[i];
    }
    __syncthreads();
}

// Bytes from the first cell to y's.
__device__ __forceinline__ u32 nf4_cell(float y)
{
    return __float_as_uint(fmaf(__saturatef(fmaf(y, 0.5f, 0.5f)), 128.0f, WHOLE)) & 0xFCu;
}

__device__ __forceinline__ u32 encode_kept(float y, float)
{
    const u8 *cells = reinterpret_cast<const u8 *>(&nf4_cells_here()) + nf4_cell(y);
    u32 code = *reinterpret_cast<const u32 *>(cells + sizeof(float[33]));
    if (y >= *reinterpret_cast<const float *>(cells)) ++code;
    return code;
}

__device__ __forceinline__ float element_value(u32 code) { return nf4_values()[code & 15]; }
__device__ __forceinline__ float round_kept(float y, float x) { return element_value(encode_kept(y, x)); }

#elif ELEMENT == 1

__device__ __forceinline__ u32 encode_kept(float y, float) { return y >= 0.0f; }
__device__ __forceinline__ float round_kept(float y, float) { return y >= 0.0f ? 1.0f : -1.0f; }

__device__ __forceinline__ float element_value(u32 code) { return __uint_as_float(0x3F800000u | (~code & 1u) << 31); }

#else

__device__ __forceinline__ float round_kept(float y, float) { return rintf(y); }

// Added to codes of less than a byte, of which the least is `low`, so that none is negative; even, as ties want it.
__device__ __forceinline__ float code_bias(float low) { return BITS < 8 && low < 0.0f ? 1 << (BITS - 1) : 0.0f; }

__device__ __forceinline__ float element_value(u32 code)
{
#if SIGNED
    return static_cast<float>(static_cast<int>(code << (32 - BITS)) >> (32 - BITS));
#else
    return static_cast<float>(code & ((1u << BITS) - 1));
#endif
}

#endif

#if ELEMENT != 3
__device__ __forceinline__ void begin_elements() {}
__device__ __forceinline__ void begin_encoding() {}
#endif
