// Enough of CUDA for a header of arithmetic to be compiled for the host: one thread, no memory spaces. Instructions are plain
// functions, each rounded once.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#ifndef __CUDA_ARCH__
#define __CUDA_ARCH__ 800
#endif
#define __device__
#define __forceinline__ inline
#define __restrict__
#define __shared__ static
using std::max;
using std::min;

struct uint2 { unsigned x, y; };
struct uint4 { unsigned x, y, z, w; };
struct { unsigned x = 0; } threadIdx, blockIdx;
struct { unsigned x = 1; } blockDim, gridDim;
inline void __syncthreads() {}
template <typename T> T __ldg(const T *from) { return *from; }
template <typename T> T __shfl_xor_sync(unsigned, T mine, int) { return mine; }
template <typename T> void atomicMax(T *at, T value) { *at = std::max(*at, value); }

inline float __uint_as_float(unsigned bits) { float made; memcpy(&made, &bits, 4); return made; }
inline unsigned __float_as_uint(float value) { unsigned made; memcpy(&made, &value, 4); return made; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __saturatef(float a) { return std::fmin(std::fmax(a, 0.0f), 1.0f); }
inline int __clz(unsigned bits) { return bits ? __builtin_clz(bits) : 32; }
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by)
{
    return by & 31 ? high << (by & 31) | low >> (32 - (by & 31)) : high;
}
inline unsigned prmt(unsigned a, unsigned b, unsigned which)
{
    const uint64_t both = static_cast<uint64_t>(b) << 32 | a;
    unsigned made = 0;
    for (int i = 0; i < 4; ++i) {
        const unsigned byte = both >> 8 * (which >> 4 * i & 7) & 255;
        made |= (which >> 4 * i & 8 ? (byte >> 7) * 255u : byte) << 8 * i;
    }
    return made;
}
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned which) { return prmt(a, b, which & 0x7777); }
inline unsigned __dp4a(unsigned a, unsigned b, unsigned c)
{
    for (int i = 0; i < 4; ++i) c += (a >> 8 * i & 255) * (b >> 8 * i & 255);
    return c;
}
inline unsigned __dp2a_lo(unsigned a, unsigned b, unsigned c)
{
    return c + (a & 0xFFFF) * (b & 0xFF) + (a >> 16) * (b >> 8 & 0xFF);
}

// A quotient or product of two f32 as f32 in another direction than to nearest; long double holds what decides.
inline float toward(long double exact, long double end)
{
    float made = static_cast<float>(exact);
    if (end > exact ? made < exact : made > exact) made = std::nextafterf(made, static_cast<float>(end));
    return made;
}
inline float __fmul_rz(float a, float b)
{
    const long double exact = static_cast<long double>(a) * b;
    float made = static_cast<float>(exact);
    return std::fabs(static_cast<long double>(made)) > std::fabs(exact) ? std::nextafterf(made, 0.0f) : made;
}
inline float __fmaf_ru(float a, float b, float c) { return toward(static_cast<long double>(a) * b + c, HUGE_VALL); }

// 16-bit floats of MANTISSA stored bits and a bias, to nearest with ties to even.
template <int MANTISSA_BITS, int EXPONENT_BIAS> struct Half {
    static double wide(uint16_t raw)
    {
        if (MANTISSA_BITS == 7) return __uint_as_float(static_cast<unsigned>(raw) << 16);
        const int exponent = (raw & 0x7FFF) >> MANTISSA_BITS, mantissa = raw & ((1 << MANTISSA_BITS) - 1);
        double made = exponent ? std::ldexp((1 << MANTISSA_BITS) + mantissa, exponent - EXPONENT_BIAS - MANTISSA_BITS)
                               : std::ldexp(mantissa, 1 - EXPONENT_BIAS - MANTISSA_BITS);
        if (exponent == 2 * EXPONENT_BIAS + 1) made = mantissa ? NAN : INFINITY;
        return raw >> 15 ? -made : made;
    }
    static uint16_t nearest(long double value) { return from(value, std::nearbyintl); }
    static uint16_t zeroward(long double value) { return from(value, std::truncl); }

private:
    template <typename Round> static uint16_t from(long double value, Round round)
    {
        const uint16_t sign = std::signbit(value) ? 0x8000 : 0, infinite = (2 * EXPONENT_BIAS + 1) << MANTISSA_BITS;
        if (std::isnan(value)) return sign | infinite | 1;
        if (std::isinf(value)) return sign | infinite;
        int exponent;
        std::frexp(static_cast<double>(value), &exponent);
        exponent = std::max(exponent - 1, 1 - EXPONENT_BIAS);
        if (value == 0) exponent = 1 - EXPONENT_BIAS;
        const long double units = round(std::ldexp(std::fabs(value), MANTISSA_BITS - exponent));
        // Units of the binade, counted on from its first code: a carry is the next binade's first.
        const long bits = static_cast<long>(units) + (static_cast<long>(exponent + EXPONENT_BIAS - 1) << MANTISSA_BITS);
        return sign | static_cast<uint16_t>(std::min<long>(bits, infinite));
    }
};
typedef Half<10, 15> F16;
typedef Half<7, 127> Bf16;

template <typename Kind, typename Body> unsigned each_half(Body body)
{
    return Kind::nearest(body(0)) | static_cast<unsigned>(Kind::nearest(body(16))) << 16;
}
template <typename Kind> long double half_at(unsigned pair, int shift) { return Kind::wide(static_cast<uint16_t>(pair >> shift)); }
template <typename Kind> unsigned fma_x2(unsigned a, unsigned b, unsigned c)
{
    return each_half<Kind>([=](int at) { return half_at<Kind>(a, at) * half_at<Kind>(b, at) + half_at<Kind>(c, at); });
}
// The raw value that is the larger, +0 above -0.
template <typename Kind> uint16_t larger(uint16_t a, uint16_t b)
{
    const double wide_a = Kind::wide(a), wide_b = Kind::wide(b);
    return wide_a > wide_b || (wide_a == wide_b && a < b) ? a : b;
}
template <typename Kind> uint16_t smaller(uint16_t a, uint16_t b) { return larger<Kind>(a, b) == a ? b : a; }
template <typename Kind> unsigned max_x2(unsigned a, unsigned b)
{
    return larger<Kind>(a, b) | static_cast<unsigned>(larger<Kind>(a >> 16, b >> 16)) << 16;
}
template <typename Kind> unsigned min_x2(unsigned a, unsigned b)
{
    return smaller<Kind>(a, b) | static_cast<unsigned>(smaller<Kind>(a >> 16, b >> 16)) << 16;
}
// The smaller magnitude, its sign negative where that of one of the two is.
inline unsigned min_xorsign_x2(unsigned a, unsigned b)
{
    const unsigned low = std::min(a & 0x7FFF, b & 0x7FFF), high = std::min(a >> 16 & 0x7FFF, b >> 16 & 0x7FFF);
    return high << 16 | low | ((a ^ b) & 0x80008000);
}

#ifdef EXPONENT
// FP8 with as many bits of mantissa as the format has: e4m3 of three, e5m2 of two. Nearest of all finite ones, ties to even.
inline unsigned fp8_of(float value)
{
    constexpr int BIAS_OF_8 = MANTISSA == 3 ? 7 : 15, LARGEST = MANTISSA == 3 ? 0x7E : 0x7B;
    const auto wide = [](int code) {
        const int exponent = code >> MANTISSA, mantissa = code & ((1 << MANTISSA) - 1);
        return std::ldexp(exponent ? (1 << MANTISSA) + mantissa : mantissa, std::max(exponent, 1) - BIAS_OF_8 - MANTISSA);
    };
    static const std::vector<double> VALUES = [&] {
        std::vector<double> made;
        for (int code = 0; code <= LARGEST; ++code) made.push_back(wide(code));
        return made;
    }();
    const double magnitude = std::fabs(value);
    int code = std::lower_bound(VALUES.begin(), VALUES.end(), magnitude) - VALUES.begin();
    if (code > LARGEST) code = LARGEST;
    if (code) {
        const double above = VALUES[code] - magnitude, below = magnitude - VALUES[code - 1];
        if (below < above || (below == above && code % 2)) --code;
    }
    return code | (std::signbit(value) ? 0x80 : 0);
}
inline unsigned fp8_x2(float first, float second) { return fp8_of(first) | fp8_of(second) << 8; }
#endif
