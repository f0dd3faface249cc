// int4 codes, two a byte (the earlier one in the lower half), as bytes: what a packed activation is before tensor cores that have no
// products of four bits. A thread makes 32 codes of 16 bytes.
#pragma once

#include "common/tile.cuh"

// Nibbles of a word as eight bytes; the sign, 8, is spread over the bits above it: 8 times 0x1E is 0xF0, with no carry.
__device__ __forceinline__ uint2 bytes_of(u32 word)
{
    const u32 even = word & 0x0F0F0F0Fu, odd = word >> 4 & 0x0F0F0F0Fu;
    const u32 low = __byte_perm(even, odd, 0x5140), high = __byte_perm(even, odd, 0x7362);
    const auto extended = [](u32 nibbles) { return nibbles | (nibbles & 0x08080808u) * 0x1E; };
    return make_uint2(extended(low), extended(high));
}

extern "C" __global__ void __launch_bounds__(256) unpack(const uint4 *__restrict__ packed, uint4 *__restrict__ codes, u64 count)
{
    const u64 at = static_cast<u64>(blockIdx.x) * 256 + threadIdx.x;
    if (at >= count) return;
    const uint4 from = __ldg(packed + at);
    const uint2 a = bytes_of(from.x), b = bytes_of(from.y), c = bytes_of(from.z), d = bytes_of(from.w);
    codes[at * 2] = make_uint4(a.x, a.y, b.x, b.y);
    codes[at * 2 + 1] = make_uint4(c.x, c.y, d.x, d.y);
}
