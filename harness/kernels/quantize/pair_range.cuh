// The range of what a thread holds. 16-bit values are compared two at a time: the largest is one of them, so nothing is rounded.
#pragma once

#include "common/make_scale.cuh"
#include "quantize/pairs.cuh"

#if VALUE == 0

struct HeldRange {
    Range range;

    template <int N> __device__ __forceinline__ void take(const Packet<N * sizeof(value_t)> &packet)
    {
        Values<N> values;
        values.unpack(packet);
        range.take(values.at);
    }
    __device__ __forceinline__ Range total() const { return range; }
};

#else

struct HeldRange {
    u32 above = 0, below = 0; // below: the least of x and 0

    template <int N> __device__ __forceinline__ void take(const Packet<N * sizeof(value_t)> &packet)
    {
        const u32 *words = reinterpret_cast<const u32 *>(packet.words);
#pragma unroll
        for (int i = 0; i < N / 2; ++i) {
            above = pair_max(above, ASYMMETRIC || UNSIGNED ? words[i] : words[i] & 0x7FFF7FFFu);
            if (ASYMMETRIC) below = pair_min(below, words[i]);
        }
    }
    __device__ __forceinline__ Range total() const
    {
        Range range;
        range.above = fmaxf(low_of(above), high_of(above));
#if ASYMMETRIC
        range.below = fabsf(fminf(low_of(below), high_of(below)));
#endif
        return range;
    }

private:
    __device__ __forceinline__ static float low_of(u32 pair) { return to_float(static_cast<u16>(pair)); }
    __device__ __forceinline__ static float high_of(u32 pair) { return to_float(static_cast<u16>(pair >> 16)); }
};

#endif
