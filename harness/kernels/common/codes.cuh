// Codes as they are stored: one a byte (BITS 8), or two a byte, low nibble first (BITS 4). SIGNED: two's complement.
#pragma once

#define CODES_PER_BYTE (8 / BITS)

// N codes (their low bits) as N * BITS / 8 bytes.
template <int N> __device__ __forceinline__ Packet<N * BITS / 8> pack_codes(const u32 (&codes)[N])
{
    constexpr int BYTES = N * BITS / 8;
    union { Packet<BYTES> packet; u32 words[(BYTES + 3) / 4]; } out;
#pragma unroll
    for (int w = 0; w < (BYTES + 3) / 4; ++w) {
        u32 word = 0;
#pragma unroll
        for (int i = 0; i < 32 / BITS && w * 32 / BITS + i < N; ++i)
            word |= (codes[w * 32 / BITS + i] & ((1u << BITS) - 1)) << (i * BITS);
        out.words[w] = word;
    }
    return out.packet;
}

// The code in the low BITS of a word (others may be set), as f32.
__device__ __forceinline__ float code_value(u32 bits)
{
#if SIGNED
    return static_cast<float>(static_cast<int>(bits << (32 - BITS)) >> (32 - BITS));
#else
    return static_cast<float>(bits & ((1u << BITS) - 1));
#endif
}

template <int N> __device__ __forceinline__ void unpack_codes(const Packet<N * BITS / 8> &packet, float (&values)[N])
{
    constexpr int BYTES = N * BITS / 8;
    union { Packet<BYTES> packet; u32 words[(BYTES + 3) / 4]; } in;
    in.packet = packet;
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = code_value(in.words[i * BITS / 32] >> (i * BITS % 32));
}
