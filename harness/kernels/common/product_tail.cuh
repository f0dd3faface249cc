// What becomes of the sums of the tensor-core products: zero points, scales, what follows (common/following.cuh), one rounding to
// the output's type, and stores.
// VALUE: the output, 0 f32, 1 f16, 2 bf16. ZERO_POINTS 1: the activation has zero points, one a row or a single one. BINARY 1: sums count
// the places where both operands have a 1; of values ±1, x = 2 a - 1 and w = 2 b - 1, the product over k places is
// 4 sum(ab) - (2 sum(a) - k) - 2 sum(b): 2 sum(a) - k stands in place of a row's zero point, 2 sum(b) in place of a column's sum.
//
// The fragments of mma.sync m16n8k32 and of wgmma m64nNk32 give a thread two neighbouring columns in eight (PTX ISA, matrix
// fragments for mma.m16n8k32 and wgmma.mma_async m64nNk32: columns 8 j + 2 (lane % 4) + e of row lane / 4, and of that row + 8).
// Rows of the weight are stored in another order (``prepared.py``), so that the eight values that a thread has of 32 columns,
// j = 0 … 3 and e = 0, 1, are the neighbouring columns 8 (lane % 4) + 2 j + e: 16 bytes of 16-bit values, 32 of f32.
#pragma once

#include "common/following.cuh"

#ifndef BINARY
#define BINARY 0
#endif
#define GROUP_COLUMNS 32
#define OWN_COLUMNS 8

// What eight neighbouring columns are multiplied with, and a row; and what zero points take away from their sums.
struct Columns {
    alignas(16) float scale[OWN_COLUMNS];
    alignas(16) int sum[OWN_COLUMNS];
    alignas(16) float bias[OWN_COLUMNS];
};
struct Row {
    float scale;
    int zero_point;
};

template <typename Word, typename T> __device__ __forceinline__ void load_eight(T (&to)[OWN_COLUMNS], const T *from)
{
    *reinterpret_cast<Word *>(to) = __ldg(reinterpret_cast<const Word *>(from));
    *reinterpret_cast<Word *>(to + 4) = __ldg(reinterpret_cast<const Word *>(from) + 1);
}

struct Tail {
    output_t *__restrict__ y;                // [m, n]
    const float *__restrict__ row_scales;    // [m], or a single one: row_stride is 1 or 0
    const float *__restrict__ column_scales; // [n], with room up to whole tiles, where columns are not checked
    const int *__restrict__ zero_points;     // as row_scales
    const int *__restrict__ column_sums;     // as column_scales: sums of the weight's codes along k
    u32 m, n, row_stride;
    const float *__restrict__ bias; // as column_scales
    float output_scale;             // of OUTPUT_S8

    __device__ __forceinline__ Columns columns(u32 first) const
    {
        Columns made;
        load_eight<float4>(made.scale, column_scales + first);
#if ZERO_POINTS
        load_eight<int4>(made.sum, column_sums + first);
#endif
#if BIAS
        load_eight<float4>(made.bias, bias + first);
#endif
        return made;
    }
    __device__ __forceinline__ Row row(u32 index) const
    {
        Row made = {};
        if (index < m) {
            made.scale = __ldg(row_scales + index * row_stride);
#if ZERO_POINTS
            made.zero_point = __ldg(zero_points + index * row_stride);
#endif
        }
        return made;
    }

    // Eight neighbouring columns of a row: `at` maps the eight to the thread's sums.
    template <typename Sum, typename At>
    __device__ __forceinline__ void put(u32 index, const Row &row, u32 column, const Columns &columns, At at) const
    {
        Values<OWN_COLUMNS> made;
#pragma unroll
        for (int i = 0; i < OWN_COLUMNS; ++i) {
            Sum sum = at(i);
#if BINARY
            sum = 4 * sum - row.zero_point - columns.sum[i];
#elif ZERO_POINTS
            // sum of (q - z) w = sum of q w - z · sum of w, whole numbers throughout (arXiv 1712.05877, section 2.3)
            sum -= row.zero_point * columns.sum[i];
#endif
            float y = static_cast<float>(sum) * row.scale * columns.scale[i];
#if BIAS
            y += columns.bias[i];
#endif
            made.at[i] = follow(y);
        }
        store(made, index, column);
    }

    // The same of sums that block scales have been applied to.
    template <typename At> __device__ __forceinline__ void put_scaled(u32 index, u32 column, At at) const
    {
        Values<OWN_COLUMNS> made;
#pragma unroll
        for (int i = 0; i < OWN_COLUMNS; ++i) {
            float y = at(i);
#if BIAS
            y += __ldg(bias + column + i);
#endif
            made.at[i] = follow(y);
        }
        store(made, index, column);
    }

    // Rows of whole eights begin at multiples of 16 bytes; others are stored one by one.
    __device__ __forceinline__ void store(const Values<OWN_COLUMNS> &made, u32 row, u32 column) const
    {
        if (row >= m || column >= n) return;
        output_t *to = y + static_cast<u64>(row) * n + column;
        if (n % OWN_COLUMNS == 0) {
            store_eight(to, made, output_scale);
            return;
        }
#pragma unroll
        for (int i = 0; i < OWN_COLUMNS; ++i)
            if (column + i < n) to[i] = output_of(made.at[i], output_scale);
    }
};
