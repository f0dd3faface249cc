// What one thread sees of errors, and the figures of many threads.
//
// Sums are in f64, two conversions and two products an element. What needs more thought (saturated, NaN, Inf, a new largest
// error) shows in the f32 difference of code and value alone, so that vectors of which no lane of the warp has such an element,
// nearly all of them, pay one comparison an element for it.
#pragma once

#define WARPS (THREADS / 32)
#define ALL_LANES 0xFFFFFFFFu
#define FLT_LARGEST 3.402823466e38f

// Whether the f32 difference of an ordinary value and what its code stands for is exact. Either that is 0, or the two differ
// by no more than a factor of two (Sterbenz). Integers: code values are 0 or at least the scale, of which an ordinary difference
// is less than half. Floats: codes are the nearest, and the least code above 0 takes more than half of its value (ties go to 0,
// which is even). Not so where a tie is no f32 (NF4) or there is no zero (binary).
#define EXACT_DIFFERENCES (ELEMENT == 0 || ELEMENT == 2)

// The same, of which the compiler knows nothing: it can neither make it again nor see what it is equal to.
__device__ __forceinline__ float kept(float value)
{
    float same;
    asm volatile("mov.f32 %0, %1;" : "=f"(same) : "f"(value));
    return same;
}
__device__ __forceinline__ u32 kept(u32 value)
{
    u32 same;
    asm volatile("mov.u32 %0, %1;" : "=r"(same) : "r"(value));
    return same;
}

// A value with its place: the larger wins, of equal ones the first. Negative: there is none.
struct Peak {
    double value, at;

    __device__ __forceinline__ void add(const Peak &other)
    {
        if (other.value > value || (other.value == value && other.at < at)) *this = other;
    }
};

// A row of results: whole numbers are exact up to 2^53.
struct Figures {
    double rounding, clipping, signal;    // sums of squares: error inside and outside the range, tensor
    double saturated, nan, inf, left_out; // counts; left out: NaN, Inf, and codes that stand for what f32 cannot hold
    Peak error;                           // largest |error|, at its element
    Peak block;                           // largest mean squared error of a block

    static constexpr int SUMS = 7;

    __device__ __forceinline__ void clear()
    {
        double *each = &rounding;
#pragma unroll
        for (int i = 0; i < SUMS; ++i) each[i] = 0.0;
        error = block = {-1.0, 0.0};
    }
    __device__ __forceinline__ void add(const Figures &other)
    {
        const double *from = &other.rounding;
        double *to = &rounding;
#pragma unroll
        for (int i = 0; i < SUMS; ++i) to[i] += from[i];
        error.add(other.error);
        block.add(other.block);
    }
    __device__ __forceinline__ Figures below(int distance) const
    {
        Figures other;
        const double *from = &rounding;
        double *to = &other.rounding;
#pragma unroll
        for (int i = 0; i < SUMS + 4; ++i) to[i] = __shfl_down_sync(ALL_LANES, from[i], distance);
        return other;
    }
};

// The thread block's total, in thread 0.
__device__ __forceinline__ void reduce(Figures &mine)
{
    __shared__ Figures totals[WARPS];
#pragma unroll 1
    for (int distance = 16; distance; distance /= 2) mine.add(mine.below(distance));
    __syncthreads();
    if (threadIdx.x % 32 == 0) totals[threadIdx.x / 32] = mine;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int warp = 1; warp < WARPS; ++warp) mine.add(totals[warp]);
}

// What lies half a code beyond the range is saturated: lowest and highest, in units of the scale. A value beyond them is at
// least `margin` units from whatever a code stands for: half a code, less 1e-4 of it. That covers what is rounded on the way
// (x / s, adding a zero point, code times scale): at most 4e-5 of a code in units of which the range spans 255.
struct Range {
    float lowest, highest, margin;
};

// What a thread rarely needs has no register: a place of its own in shared memory, that of array element threadIdx.x.
struct Rare {
    double largest[THREADS];  // |error|
    double clipping[THREADS]; // squared errors of saturated values, of all blocks that are done
    double outside[THREADS];  // of the block that is not
    u32 missing[THREADS];     // elements of that block that are left out
    u32 left_out[THREADS];    // of those that are done
    u32 at[THREADS];          // element of the largest error
    u32 saturated[THREADS], nan[THREADS], inf[THREADS];
    u32 worst[THREADS]; // block

    __device__ __forceinline__ void clear()
    {
        const u32 i = threadIdx.x;
        largest[i] = -1.0;
        clipping[i] = outside[i] = 0.0;
        missing[i] = left_out[i] = at[i] = saturated[i] = nan[i] = inf[i] = worst[i] = 0;
    }
};

__device__ __forceinline__ Rare &rare()
{
    __shared__ Rare shared;
    return shared;
}

struct Tally {
    double signal;
    float top; // f32 next to the largest |error| of the warp, above 0 once there is one; with one scale it is the limit itself

    // Differences below it are ordinary.
    __device__ __forceinline__ float limit(const Affine &affine, const Range &range) const
    {
        return LAYOUT ? fminf(affine.scale * range.margin, top) : top;
    }

    // One element that may be out of the ordinary, x and what its code stands for. What is left out becomes 0 and 0. The square
    // of a saturated one goes to `outside`; then the code is taken as exact.
    __device__ __forceinline__ void inspect(float &x, float &decoded, u32 index, const Affine &affine, const Range &range,
                                            double &outside, u32 &missing)
    {
        Rare &mine = rare();
        const u32 i = threadIdx.x;
        if (!(fabsf(x) <= FLT_LARGEST)) {
            if (x != x) ++mine.nan[i]; else ++mine.inf[i];
            ++missing;
            x = decoded = 0.0f;
            return;
        }
        const float scaled = __fdiv_rn(x, affine.scale) + affine.zero;
        const bool beyond = scaled > range.highest || scaled < range.lowest;
        if (beyond) ++mine.saturated[i];
        if (!(fabsf(decoded) <= FLT_LARGEST)) {
            ++missing;
            x = decoded = 0.0f;
            return;
        }
        const double error = fabs(static_cast<double>(decoded) - static_cast<double>(x));
        if (error > mine.largest[i]) {
            mine.largest[i] = error;
            mine.at[i] = index;
            top = fmaxf(top, fmaxf(static_cast<float>(error), 0x1p-149f));
        }
        if (beyond) {
            outside = fma(error, error, outside);
            decoded = x;
        }
    }

    // What lanes know of the largest error, they all know. Later elements that only equal it need no care but are looked at.
    __device__ __forceinline__ void share(const Affine &affine, const Range &range)
    {
        top = __uint_as_float(__reduce_max_sync(ALL_LANES, __float_as_uint(top)));
        if (LAYOUT == 0) top = fminf(affine.scale * range.margin, top);
    }
};

// Element j of a few in registers, which no variable can index.
template <int N> __device__ __forceinline__ float pick(const float (&from)[N], u32 j)
{
    float found = from[0];
#pragma unroll
    for (int i = 1; i < N; ++i)
        if (j == i) found = from[i];
    return found;
}
template <int N> __device__ __forceinline__ void put(float (&to)[N], u32 j, float value)
{
#pragma unroll
    for (int i = 0; i < N; ++i)
        if (j == i) to[i] = value;
}

// The squared errors of a scale block, as far as this thread sees them; of saturated values apart.
struct BlockSum {
    double inside;
    bool touched; // whether there may be something in `outside` and `missing` of a lane of the warp
#if LAYOUT == 3
    double own_outside; // of several blocks at once
    u32 own_missing;

    __device__ __forceinline__ double &outside() { return own_outside; }
    __device__ __forceinline__ u32 &missing() { return own_missing; }
#else
    __device__ __forceinline__ double &outside() { return rare().outside[threadIdx.x]; }
    __device__ __forceinline__ u32 &missing() { return rare().missing[threadIdx.x]; }
#endif

    __device__ __forceinline__ void clear()
    {
        inside = 0.0;
        touched = false;
        outside() = 0.0;
        missing() = 0;
    }

    // N neighbours from element `first` on, in all lanes of the warp at once. Where there are none x and decoded are 0.
    template <int N>
    __device__ __forceinline__ void take(Tally &tally, const float (&x)[N], const float (&decoded)[N], bool there, u32 first,
                                         const Affine &affine, const Range &range)
    {
        float errors[N];
        bool unusual = false;
        const float limit = tally.limit(affine, range);
#pragma unroll
        for (int j = 0; j < N; ++j) {
            errors[j] = decoded[j] - x[j];
            unusual |= !(fabsf(errors[j]) < limit); // NaN is too
        }
        if (__any_sync(ALL_LANES, unusual)) {
            look_closer(tally, x, decoded, errors, limit, there, first, affine, range);
            return;
        }
#pragma unroll
        for (int j = 0; j < N; ++j)
            add(tally, x[j], EXACT_DIFFERENCES ? errors[j] : static_cast<double>(decoded[j]) - x[j]);
    }

    __device__ __forceinline__ void add(Tally &tally, double x, double error)
    {
        inside = fma(error, error, inside);
        tally.signal = fma(x, x, tally.signal);
    }

private:
    // Copies are changed, and added up here: a value that may come from two places costs each vector a move.
    template <int N>
    __device__ __forceinline__ void look_closer(Tally &tally, const float (&x)[N], const float (&decoded)[N],
                                                const float (&errors)[N], float limit, bool there, u32 first,
                                                const Affine &affine, const Range &range)
    {
        float values[N], made[N];
        u32 flagged = 0;
        const float same = kept(limit); // or all vectors pay for comparisons with a result of their own
#pragma unroll
        for (int j = 0; j < N; ++j) {
            values[j] = x[j];
            made[j] = decoded[j];
            if (!(fabsf(errors[j]) < same)) flagged |= 1u << j;
        }
        touched = true;
#pragma unroll 1
        for (flagged = there ? flagged : 0; flagged; flagged &= flagged - 1) {
            const u32 j = __ffs(flagged) - 1;
            float value = pick(values, j), code_value = pick(made, j);
            tally.inspect(value, code_value, first + j, affine, range, outside(), missing());
            put(values, j, value);
            put(made, j, code_value);
        }
        tally.share(affine, range);
#pragma unroll
        for (int j = 0; j < N; ++j) add(tally, values[j], static_cast<double>(made[j]) - values[j]);
    }
};
