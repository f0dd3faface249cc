// Codes of BITS (1, 2, 4, 6, 8) as they are stored: one after the other from the lowest bit of the first byte upwards.
#pragma once

#define UNIT (BITS == 6 ? 4 : 8 / BITS)  // codes that fill whole bytes
#define UNIT_BYTES (UNIT * BITS / 8)

// N codes (their low bits; others may be set) as N * BITS / 8 bytes.
template <int N> __device__ __forceinline__ Packet<N * BITS / 8> pack_codes(const u32 (&codes)[N])
{
    constexpr int BYTES = N * BITS / 8;
    union { Packet<BYTES> packet; u32 words[(BYTES + 3) / 4]; } out;
#pragma unroll
    for (int w = 0; w < (BYTES + 3) / 4; ++w) out.words[w] = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) {
        const u32 code = codes[i] & ((1u << BITS) - 1);
        out.words[i * BITS / 32] |= code << (i * BITS % 32);
        if (i * BITS % 32 + BITS > 32) out.words[i * BITS / 32 + 1] |= code >> (32 - i * BITS % 32);
    }
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

// The first `count` codes of a unit, into its bytes.
__device__ __forceinline__ void store_unit(u8 *to, const u32 (&codes)[UNIT], u32 count)
{
    const Packet<UNIT_BYTES> packet = pack_codes(codes);
    const u8 *bytes = reinterpret_cast<const u8 *>(packet.words);
#pragma unroll
    for (int i = 0; i < UNIT_BYTES; ++i)
        if (i * 8 < count * BITS) to[i] = bytes[i];
}
