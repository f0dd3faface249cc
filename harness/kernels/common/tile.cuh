// What the tiled products share. Operands are row-major codes, activation [m, pitch] and weight [n, pitch] bytes; rows are
// zero-filled up to the pitch, a multiple of PITCH_STEP, so that k needs no tail. Sums are exact in int32.
#pragma once

typedef signed char s8;
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define PITCH_STEP 64

// Sixteen bytes of row `row` at column `byte`, zeros below the last row.
__device__ __forceinline__ uint4 load_chunk(const u8 *matrix, u32 row, u32 rows, u32 pitch, u32 byte)
{
    if (row >= rows) return make_uint4(0, 0, 0, 0);
    return __ldg(reinterpret_cast<const uint4 *>(matrix + static_cast<u64>(row) * pitch + byte));
}

// The same, straight into shared memory, in the background.
__device__ __forceinline__ void copy_chunk(void *to, const u8 *matrix, u32 row, u32 rows, u32 pitch, u32 byte)
{
    const u32 kept = row < rows ? 16 : 0;
    const u8 *from = matrix + static_cast<u64>(row < rows ? row : 0) * pitch + byte;
    const u32 address = static_cast<u32>(__cvta_generic_to_shared(to));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(kept) : "memory");
}

__device__ __forceinline__ void close_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int PENDING> __device__ __forceinline__ void wait_groups()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// Scales are one a row, or a single one: their strides are 1 or 0.
struct Epilogue {
    float *__restrict__ y;
    const float *__restrict__ row_scales;
    const float *__restrict__ column_scales;
    u32 m, n, row_stride, column_stride;

    __device__ __forceinline__ float value(int sum, u32 row, u32 column) const
    {
        const float scaled = static_cast<float>(sum) * __ldg(row_scales + row * row_stride);
        return scaled * __ldg(column_scales + column * column_stride);
    }
    __device__ __forceinline__ void put(int sum, u32 row, u32 column) const
    {
        if (row < m && column < n) y[static_cast<u64>(row) * n + column] = value(sum, row, column);
    }
};
