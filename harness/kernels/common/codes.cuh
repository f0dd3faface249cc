// Codes of BITS (1, 2, 4, 6, 8) as they are stored: one after the other from the lowest bit of the first byte upwards.
#pragma once

#define UNIT (BITS == 6 ? 4 : 8 / BITS)  // codes that fill whole bytes
#define UNIT_BYTES (UNIT * BITS / 8)

// What turns packed codes into two's complement: those of less than a byte come with a bias (element.cuh).
__device__ __forceinline__ u32 code_flip(float low)
{
    return ELEMENT == 0 && BITS < 8 && low < 0.0f ? 0xFFFFFFFFu / ((1u << BITS) - 1) << (BITS - 1) : 0u;
}

// A word whose low bits COUNT raw codes from `codes` on fill. A sum: multiplying and adding is one instruction, shifting and
// setting bits is two. What RAW gives to it is subtracted at the end.
template <int COUNT> __device__ __forceinline__ u32 join_codes(const u32 *codes)
{
    u32 word = codes[COUNT - 1], rest = RAW;
#pragma unroll
    for (int i = COUNT - 2; i >= 0; --i) {
        word = word * (1u << BITS) + codes[i];
        rest = rest * (1u << BITS) + RAW;
    }
    return word - rest;
}

// N raw codes as N * BITS / 8 bytes. flip: code_flip of the least code.
template <int N> __device__ __forceinline__ Packet<N * BITS / 8> pack_codes(const u32 (&codes)[N], u32 flip)
{
    constexpr int BYTES = N * BITS / 8, WORDS = (BYTES + 3) / 4;
    union { Packet<BYTES> packet; u32 words[WORDS]; } out;
#if BITS == 8
#pragma unroll
    for (int w = 0; w < WORDS; ++w) {
        u32 four[4] = {0u, 0u, 0u, 0u};
#pragma unroll
        for (int i = 0; i < 4; ++i)
            if (4 * w + i < N) four[i] = codes[4 * w + i];
        out.words[w] = __byte_perm(__byte_perm(four[0], four[1], 0x0040), __byte_perm(four[2], four[3], 0x0040), 0x5410);
    }
#elif BITS == 6
    u32 fours[WORDS + 2]; // of 24 bits each
#pragma unroll
    for (int i = 0; i < N / 4; ++i) fours[i] = join_codes<4>(codes + 4 * i);
#pragma unroll
    for (int w = 0; w < WORDS; ++w) {
        const int at = w / 3 * 4 + w % 3;
        const u32 next = at + 1 < N / 4 ? fours[at + 1] : 0u;
        out.words[w] = __byte_perm(fours[at], next, w % 3 == 0 ? 0x4210 : w % 3 == 1 ? 0x5421 : 0x6542);
    }
#else
    constexpr int COUNT = N * BITS < 32 ? N : 32 / BITS;
#pragma unroll
    for (int w = 0; w < WORDS; ++w) out.words[w] = join_codes<COUNT>(codes + w * COUNT) ^ flip;
#endif
    return out.packet;
}

// What N codes stand for at scale 1; they begin at bit `shift` where they fill no byte.
template <int N>
__device__ __forceinline__ void unpack_codes(const Packet<(N * BITS + 7) / 8> &packet, float (&values)[N], u32 shift = 0)
{
    constexpr int BYTES = (N * BITS + 7) / 8;
    union { Packet<BYTES> packet; u32 words[(BYTES + 3) / 4]; } in;
    in.packet = packet;
    if (N * BITS < 8) in.words[0] >>= shift;
#pragma unroll
    for (int i = 0; i < N; ++i) {
        u32 code = in.words[i * BITS / 32] >> (i * BITS % 32);
        if (i * BITS % 32 + BITS > 32) code |= in.words[i * BITS / 32 + 1] << (32 - i * BITS % 32);
        values[i] = element_value(code);
    }
}

// The value at scale 1 of code `at` of many.
__device__ __forceinline__ float stored_value(const u8 *codes, u64 at)
{
    const u64 bit = at * BITS;
    u32 code = codes[bit / 8] >> (bit % 8);
    if (BITS == 6 && bit % 8 > 2) code |= static_cast<u32>(codes[bit / 8 + 1]) << (8 - bit % 8);
    return element_value(code);
}

// The first `count` raw codes of a unit, into its bytes.
__device__ __forceinline__ void store_unit(u8 *to, const u32 (&codes)[UNIT], u32 count, u32 flip)
{
    const Packet<UNIT_BYTES> packet = pack_codes(codes, flip);
    const u8 *bytes = reinterpret_cast<const u8 *>(packet.words);
#pragma unroll
    for (int i = 0; i < UNIT_BYTES; ++i)
        if (i * 8 < count * BITS) to[i] = bytes[i];
}
