// Codes -> values: (q - z) * s in f32, rounded once to the tensor's type. Floor: codes read once, values written once.
//
// VALUE, LAYOUT, ASYMMETRIC, BITS, SIGNED as in common/; WIDTH, UNROLL as in quantize.cu.
#include "common/values.cuh"
#include "common/blocks.cuh"
#include "common/affine.cuh"
#include "common/codes.cuh"


#if WIDTH

extern "C" __global__ void __launch_bounds__(THREADS)
dequantize(const u8 *__restrict__ codes, const float *__restrict__ scales, const float *__restrict__ zeros,
           value_t *__restrict__ x, u64 count, BLOCK_PARAMETERS)
{
    const Blocks blocks = BLOCK_ARGUMENTS;
    const u32 whole = static_cast<u32>(count / WIDTH);
    const u32 first = blockIdx.x * (THREADS * UNROLL) + threadIdx.x;
#if LAYOUT == 0
    const Affine single(scales, zeros, 0);
#endif
    Packet<WIDTH * BITS / 8> packets[UNROLL];
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const u32 vector = first + i * THREADS;
        if (vector < whole) packets[i].load(codes + static_cast<u64>(vector) * (WIDTH * BITS / 8));
    }
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const u32 vector = first + i * THREADS;
        if (vector >= whole) break;
        Values<WIDTH> values;
        unpack_codes(packets[i], values.at);
#if LAYOUT == 3
        const u32 column = blocks.of(vector) * WIDTH;
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) values.at[j] = Affine(scales, zeros, column + j).decode(values.at[j]);
#else
#if LAYOUT == 0
        const Affine affine = single;
#else
        const Affine affine(scales, zeros, blocks.of(vector));
#endif
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) values.at[j] = affine.decode(values.at[j]);
#endif
        values.pack().store(x + static_cast<u64>(vector) * WIDTH);
    }
    // The last vector may be short: one thread of the grid takes it, element by element.
    if (first == 0 && count % WIDTH) {
        const Affine affine(scales, zeros, blocks.of(whole));
        for (u64 i = static_cast<u64>(whole) * WIDTH; i < count; ++i)
            x[i] = from_float(affine.decode(code_value(codes[i * BITS / 8] >> (i * BITS % 8))));
    }
}

#else

extern "C" __global__ void __launch_bounds__(THREADS)
dequantize(const u8 *__restrict__ codes, const float *__restrict__ scales, const float *__restrict__ zeros,
           value_t *__restrict__ x, u64 count, BLOCK_PARAMETERS)
{
    const Blocks blocks = BLOCK_ARGUMENTS;
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const u64 at = (static_cast<u64>(blockIdx.x) * UNROLL + i) * THREADS + threadIdx.x;
        if (at >= count) break;
        const Affine affine(scales, zeros, blocks.of(static_cast<u32>(at)));
        x[at] = from_float(affine.decode(code_value(codes[at * BITS / 8] >> (at * BITS % 8))));
    }
}

#endif
