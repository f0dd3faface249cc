// Tensor elements in memory (f32, f16, bf16) and as the f32 that arithmetic is done in. No header of CUDA's is needed.
// VALUE: 0 f32, 1 f16, 2 bf16. ALIGNMENT: bytes that addresses of tensors and codes are multiples of.
#pragma once

#ifndef ALIGNMENT
#define ALIGNMENT 16
#endif

// Elements that indices count as one, where they count vectors of WIDTH.
#define STEP (WIDTH ? WIDTH : 1)

typedef unsigned char u8;
typedef signed char s8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#if VALUE == 0
typedef float value_t;
#else
typedef u16 value_t;
#endif

template <int BYTES> struct Word;
template <> struct Word<1> { typedef u8 type; };
template <> struct Word<2> { typedef u16 type; };
template <> struct Word<4> { typedef u32 type; };
template <> struct Word<8> { typedef uint2 type; };
template <> struct Word<16> { typedef uint4 type; };

// BYTES of memory moved as few words of at most ALIGNMENT bytes. Nothing is said of what caches may evict: hints that lines
// are used once (.cs) cost a tenth of the bandwidth on an H200.
template <int BYTES> struct Packet {
    static constexpr int FITS = BYTES % 16 == 0 ? 16 : BYTES & -BYTES; // the largest power of two in BYTES
    static constexpr int WORD = FITS < ALIGNMENT ? FITS : ALIGNMENT;
    typedef typename Word<WORD>::type word_t;
    alignas(FITS < 4 ? WORD : FITS) word_t words[BYTES / WORD]; // as f32 too

    __device__ __forceinline__ void load(const void *from)
    {
#pragma unroll
        for (int i = 0; i < BYTES / WORD; ++i) words[i] = __ldg(static_cast<const word_t *>(from) + i);
    }
    __device__ __forceinline__ void store(void *to) const
    {
#pragma unroll
        for (int i = 0; i < BYTES / WORD; ++i) static_cast<word_t *>(to)[i] = words[i];
    }
};

__device__ __forceinline__ float to_float(value_t raw)
{
#if VALUE == 0
    return raw;
#elif VALUE == 1
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(raw));
    return wide;
#else
    return __uint_as_float(static_cast<u32>(raw) << 16);
#endif
}

// Nearest, ties to even, as IEEE and as ml_dtypes; NaN stays NaN.
__device__ __forceinline__ value_t from_float(float wide)
{
#if VALUE == 0
    return wide;
#elif VALUE == 1
    u16 raw;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(raw) : "f"(wide));
    return raw;
#else
    u16 raw;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(raw) : "f"(wide));
    return raw;
#endif
}

#if VALUE != 0
// Two neighbours, by one instruction.
__device__ __forceinline__ u32 pair_from_float(float first, float second)
{
    u32 pair;
#if VALUE == 1
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
#endif
    return pair;
}
#endif

// N neighbours as f32.
template <int N> struct Values {
    float at[N];

    __device__ __forceinline__ void unpack(const Packet<N * sizeof(value_t)> &packet)
    {
        const u32 *words = reinterpret_cast<const u32 *>(packet.words);
#pragma unroll
        for (int i = 0; i < N; ++i) {
#if VALUE == 0
            at[i] = __uint_as_float(words[i]);
#else
            at[i] = to_float(static_cast<u16>(words[i / 2] >> (i % 2 * 16)));
#endif
        }
    }
    __device__ __forceinline__ Packet<N * sizeof(value_t)> pack() const
    {
        Packet<N * sizeof(value_t)> packet;
        u32 *words = reinterpret_cast<u32 *>(packet.words);
#if VALUE == 0
#pragma unroll
        for (int i = 0; i < N; ++i) words[i] = __float_as_uint(at[i]);
#else
#pragma unroll
        for (int i = 0; i < N; i += 2) words[i / 2] = pair_from_float(at[i], at[i + 1]);
#endif
        return packet;
    }
};
