// Codes of four bits -> values by a table of what the two codes of a byte stand for, which each thread block makes in shared
// memory. One scale: the table holds values as they are stored; else values at scale 1. Floor as dequantize.cu's.
//
// VALUE, LAYOUT, ELEMENT, BITS, SIGNED, SCALE, ASYMMETRIC as in common/; WIDTH, UNROLL as in common/walk.cuh.
#include "common/values.cuh"
#include "common/walk.cuh"
#include "common/codes.cuh"

#if LAYOUT == 0 && VALUE != 0
typedef u32 entry_t;
#else
typedef float2 entry_t;
#endif

__device__ __forceinline__ entry_t *pairs()
{
    __shared__ entry_t table[256];
    return table;
}

__device__ __forceinline__ void begin_pairs(const Lookup &lookup)
{
    begin_elements();
    for (u32 byte = threadIdx.x; byte < 256; byte += THREADS) {
        float2 values = {element_value(byte), element_value(byte >> 4)};
#if LAYOUT == 0
        values = {lookup.single.decode(values.x), lookup.single.decode(values.y)};
#endif
#if LAYOUT == 0 && VALUE != 0
        pairs()[byte] = pair_from_float(values.x, values.y);
#else
        pairs()[byte] = values;
#endif
    }
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(THREADS)
dequantize_lut(const u8 *__restrict__ codes, SCALE_PARAMETERS, value_t *__restrict__ x, u64 count, BLOCK_PARAMETERS)
{
    const Lookup lookup(SCALE_ARGUMENTS, BLOCK_ARGUMENTS);
    begin_pairs(lookup);
#if WIDTH
    each_vector<WIDTH * BITS>(codes, count, [&](u32 vector, const Packet<WIDTH * BITS / 8> &packet) {
        union { Packet<WIDTH * BITS / 8> packet; u32 words[(WIDTH * BITS + 31) / 32]; } in;
        in.packet = packet;
        Packet<WIDTH * sizeof(value_t)> out;
#if LAYOUT == 0
        entry_t *made = reinterpret_cast<entry_t *>(out.words);
#pragma unroll
        for (int i = 0; i < WIDTH / 2; ++i) made[i] = pairs()[in.words[i / 4] >> (i % 4 * 8) & 0xFFu];
#else
        Values<WIDTH> values;
#pragma unroll
        for (int i = 0; i < WIDTH / 2; ++i) {
            const float2 pair = pairs()[in.words[i / 4] >> (i % 4 * 8) & 0xFFu];
            values.at[2 * i] = pair.x;
            values.at[2 * i + 1] = pair.y;
        }
        lookup.decode(vector, values.at);
        out = values.pack();
#endif
        out.store(x + static_cast<u64>(vector) * WIDTH);
    });
#endif
    each_element<1>(count, [&](u64 i) { x[i] = from_float(lookup.of_element(i).decode(stored_value(codes, i))); });
}
