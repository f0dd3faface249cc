// Values -> codes with given scales. Floor: the tensor read once, its codes written once.
//
// VALUE, LAYOUT, ASYMMETRIC, BITS as in common/. WIDTH: neighbours a thread handles with one load, UNROLL loads in flight;
// 0 where blocks or rows end anywhere: then a thread owns a byte of codes at a time and looks up a scale for each element.
#include "common/values.cuh"
#include "common/blocks.cuh"
#include "common/affine.cuh"
#include "common/codes.cuh"


#if WIDTH

extern "C" __global__ void __launch_bounds__(THREADS)
quantize(const value_t *__restrict__ x, const float *__restrict__ scales, const float *__restrict__ zeros,
         u8 *__restrict__ codes, u64 count, float low, float high, BLOCK_PARAMETERS)
{
    const Blocks blocks = BLOCK_ARGUMENTS;
    const u32 whole = static_cast<u32>(count / WIDTH);
    const u32 first = blockIdx.x * (THREADS * UNROLL) + threadIdx.x;
#if LAYOUT == 0
    const Affine single(scales, zeros, 0);
#endif
    Packet<WIDTH * sizeof(value_t)> packets[UNROLL];
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const u32 vector = first + i * THREADS;
        if (vector < whole) packets[i].load(x + static_cast<u64>(vector) * WIDTH);
    }
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const u32 vector = first + i * THREADS;
        if (vector >= whole) break;
        Values<WIDTH> values;
        values.unpack(packets[i]);
        u32 made[WIDTH];
#if LAYOUT == 3
        const u32 column = blocks.of(vector) * WIDTH;
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) made[j] = Affine(scales, zeros, column + j).encode(values.at[j], low, high);
#else
#if LAYOUT == 0
        const Affine affine = single;
#else
        const Affine affine(scales, zeros, blocks.of(vector));
#endif
#pragma unroll
        for (int j = 0; j < WIDTH; ++j) made[j] = affine.encode(values.at[j], low, high);
#endif
        pack_codes(made).store(codes + static_cast<u64>(vector) * (WIDTH * BITS / 8));
    }
    // The last vector may be short: one thread of the grid takes it, element by element.
    if (first == 0 && count % WIDTH) {
        const Affine affine(scales, zeros, blocks.of(whole));
        const u64 start = static_cast<u64>(whole) * WIDTH;
        for (u64 i = start; i < count; i += CODES_PER_BYTE) {
            u32 made[CODES_PER_BYTE];
#pragma unroll
            for (int j = 0; j < CODES_PER_BYTE; ++j)
                made[j] = i + j < count ? affine.encode(to_float(x[i + j]), low, high) : 0;
            pack_codes(made).store(codes + i * BITS / 8);
        }
    }
}

#else

extern "C" __global__ void __launch_bounds__(THREADS)
quantize(const value_t *__restrict__ x, const float *__restrict__ scales, const float *__restrict__ zeros,
         u8 *__restrict__ codes, u64 count, float low, float high, BLOCK_PARAMETERS)
{
    const Blocks blocks = BLOCK_ARGUMENTS;
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        const u64 byte = (static_cast<u64>(blockIdx.x) * UNROLL + i) * THREADS + threadIdx.x;
        const u64 start = byte * CODES_PER_BYTE;
        if (start >= count) break;
        u32 made[CODES_PER_BYTE];
#pragma unroll
        for (int j = 0; j < CODES_PER_BYTE; ++j) {
            made[j] = 0;
            if (start + j < count) {
                const Affine affine(scales, zeros, blocks.of(static_cast<u32>(start + j)));
                made[j] = affine.encode(to_float(x[start + j]), low, high);
            }
        }
        pack_codes(made).store(codes + byte);
    }
}

#endif
