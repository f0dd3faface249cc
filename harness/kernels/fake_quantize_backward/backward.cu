// Gradients through fake_quantize: by the values the upstream ones, or 0 where saturated; by scales and zero points sums over
// each block. Floor: values and upstream read once, the values' gradients written once.
//
// RULE 0: straight through, saturated where the rounded code is; 1: LSQ, saturated where the quotient is, sums times
// 1 / sqrt(N * high) (harness/numerics/gradients.py). VALUE, LAYOUT, ASYMMETRIC as in common/; WIDTH as in common/walk.cuh. A
// TEAM of threads (a part of a warp, or a thread block) has a block, or every parts-th step of one; IN_FLIGHT loads of each
// tensor are in flight a thread. HELD above 0: blocks of at most TEAM vectors; a team has HELD of them at once.
//
// ATOMIC 0: teams that share a block leave a row of sums each, which finish() adds up: the same operands give the same bits.
// 1: they add to the result in whatever order they come.
#include "common/values.cuh"
#include "common/block_walk.cuh"
#include "common/lookup.cuh"
#include "common/team.cuh"

#define FOLD 32 // terms that f32 adds up before f64 does: many sums of few

template <typename Real> struct SumsOf {
    Real scale, zero;

    __device__ __forceinline__ void add(const SumsOf &other)
    {
        scale += other.scale;
#if ASYMMETRIC
        zero += other.zero;
#endif
    }
    __device__ __forceinline__ void exchange(int distance)
    {
        scale += __shfl_xor_sync(0xFFFFFFFFu, scale, distance);
#if ASYMMETRIC
        zero += __shfl_xor_sync(0xFFFFFFFFu, zero, distance);
#endif
    }
};
typedef SumsOf<double> Sums;
typedef SumsOf<float> SmallSums; // of so few terms that f32 adds them up

struct Gradient {
    Affine affine;
    float low, high;
    Sums sums;
    float by_scale, by_zero; // not yet in sums
    u32 terms;

    __device__ __forceinline__ void begin(const Affine &of, float least, float most)
    {
        affine = of;
        low = least - of.zero;
        high = most - of.zero;
        sums = {0.0, 0.0};
        by_scale = by_zero = 0.0f;
        terms = 0;
    }

    // The gradient by x. The quotient may be clamped a code beyond the range.
    __device__ __forceinline__ float take(float quotient, float upstream)
    {
        const float whole = rintf(quotient);
#if RULE
        const bool below = quotient <= low, above = quotient >= high;
#else
        const bool below = whole < low, above = whole > high;
#endif
        const bool inside = !below && !above;
        by_scale = fmaf(upstream, inside ? whole - quotient : below ? low : high, by_scale);
#if ASYMMETRIC
        by_zero += inside ? 0.0f : upstream;
#endif
        return inside ? upstream : 0.0f;
    }

    __device__ __forceinline__ void fold()
    {
        sums.scale += by_scale;
#if ASYMMETRIC
        sums.zero -= static_cast<double>(by_zero) * affine.scale;
#endif
        by_scale = by_zero = 0.0f;
        terms = 0;
    }

    template <int N>
    __device__ __forceinline__ void take(
        const float (&x)[N], const float (&upstream)[N], float (&made)[N], float least, float most)
    {
        float quotients[N];
        affine.divide(x, quotients, least - 1.0f, most + 1.0f);
#pragma unroll
        for (int j = 0; j < N; ++j) made[j] = take(quotients[j], upstream[j]);
        terms += N;
        if (terms >= FOLD) fold();
    }
};

struct Tensors {
    const value_t *__restrict__ x;
    const value_t *__restrict__ upstream;
    value_t *__restrict__ made;
    float low, high;

    __device__ __forceinline__ void element(Gradient &gradient, u64 i) const
    {
        const float x1[1] = {to_float(x[i])}, upstream1[1] = {to_float(upstream[i])};
        float made1[1];
        gradient.take(x1, upstream1, made1, low, high);
        made[i] = from_float(made1[0]);
    }
};

struct Results {
    Sums *__restrict__ rows;
    float *__restrict__ by_scale;
    float *__restrict__ by_zero;
    float high;

    // elements: that share the scale.
    __device__ __forceinline__ void put(const Sums &sums, u32 block, double elements) const
    {
#if RULE
        const double factor = 1.0 / sqrt(elements * high);
#else
        const double factor = 1.0;
#endif
#if ATOMIC
        atomicAdd(by_scale + block, static_cast<float>(sums.scale * factor));
#if ASYMMETRIC
        atomicAdd(by_zero + block, static_cast<float>(sums.zero));
#endif
#else
        by_scale[block] = static_cast<float>(sums.scale * factor);
#if ASYMMETRIC
        by_zero[block] = static_cast<float>(sums.zero);
#endif
#endif
    }
};

#if WIDTH
// A vector of each tensor.
struct Loaded {
    Packet<WIDTH * sizeof(value_t)> x, upstream;

    __device__ __forceinline__ void load(const Tensors &tensors, u64 vector)
    {
        x.load(tensors.x + vector * WIDTH);
        upstream.load(tensors.upstream + vector * WIDTH);
    }
    __device__ __forceinline__ void take(Gradient &gradient, const Tensors &tensors, u64 vector) const
    {
        Values<WIDTH> values, gradients, made;
        values.unpack(x);
        gradients.unpack(upstream);
        gradient.take(values.at, gradients.at, made.at, tensors.low, tensors.high);
        made.pack().store(tensors.made + vector * WIDTH);
    }
};
#endif

struct Pass {
    Gradient &gradient;
    const Tensors &tensors;

    __device__ __forceinline__ void element(u64 i) const { tensors.element(gradient, i); }
    __device__ __forceinline__ void vector(u64 at) const
    {
#if WIDTH
        Loaded loaded;
        loaded.load(tensors, at);
        loaded.take(gradient, tensors, at);
#else
        element(at);
#endif
    }
    __device__ __forceinline__ void vectors(u64 at, u64 end, u64 step) const
    {
#if WIDTH
        for (; at + (IN_FLIGHT - 1) * step < end; at += IN_FLIGHT * step) {
            Loaded loaded[IN_FLIGHT];
#pragma unroll
            for (int i = 0; i < IN_FLIGHT; ++i) loaded[i].load(tensors, at + i * step);
#pragma unroll
            for (int i = 0; i < IN_FLIGHT; ++i) loaded[i].take(gradient, tensors, at + i * step);
        }
#endif
        for (; at < end; at += step) vector(at);
    }
};

#if HELD

// Blocks follow each other, of b2 vectors, the last one maybe fewer; a step of the thread block is over neighbours.
__device__ __forceinline__ void pass_small(
    const Lookup &lookup, const Tensors &tensors, const Results &results, u64 count, u32 blocks)
{
    const u32 lane = threadIdx.x % TEAM, vectors = static_cast<u32>(count / WIDTH), length = lookup.blocks.b2;
    const u32 first = blockIdx.x * (THREADS / TEAM * HELD) + threadIdx.x / TEAM;
    Affine affines[HELD];
    Loaded loaded[HELD];
#define BLOCK_OF(i) (first + (i) * (THREADS / TEAM))
#define VECTOR_OF(i) (BLOCK_OF(i) * length + lane)
#define HOLDS(i) (BLOCK_OF(i) < blocks && lane < length && VECTOR_OF(i) < vectors)
#pragma unroll
    for (int i = 0; i < HELD; ++i)
        if (HOLDS(i)) loaded[i].load(tensors, VECTOR_OF(i));
#pragma unroll
    for (int i = 0; i < HELD; ++i) affines[i] = lookup.of_block(min(BLOCK_OF(i), blocks - 1));
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
        Gradient gradient;
        gradient.begin(affines[i], tensors.low, tensors.high);
        if (HOLDS(i))
            loaded[i].take(gradient, tensors, VECTOR_OF(i));
        else if (BLOCK_OF(i) < blocks && lane < length && VECTOR_OF(i) == vectors) // the tensor's last vector may be short
            for (u64 at = static_cast<u64>(vectors) * WIDTH; at < count; ++at) tensors.element(gradient, at);
        SmallSums sums = {gradient.by_scale, gradient.by_zero};
        reduce_team<TEAM>(sums);
        const double scale = affines[i].scale;
        if (lane == 0 && BLOCK_OF(i) < blocks)
            results.put({sums.scale, -scale * sums.zero}, BLOCK_OF(i), block_elements(count, BLOCK_OF(i), lookup.blocks));
    }
}

#endif

extern "C" __global__ void __launch_bounds__(THREADS)
backward(const value_t *__restrict__ x, const value_t *__restrict__ upstream, SCALE_PARAMETERS, value_t *__restrict__ made,
         Sums *__restrict__ rows, float *__restrict__ by_scale, float *__restrict__ by_zero, u64 count, float low, float high,
         u32 blocks, u32 parts, BLOCK_PARAMETERS)
{
    const Lookup lookup(SCALE_ARGUMENTS, BLOCK_ARGUMENTS);
    const Tensors tensors = {x, upstream, made, low, high};
    const Results results = {rows, by_scale, by_zero, high};
#if HELD
    pass_small(lookup, tensors, results, count, blocks);
#else
    Gradient gradient;
    const Pass pass = {gradient, tensors};
#if LAYOUT == 3
    const u32 lane = 0, block = blockIdx.x * THREADS + threadIdx.x, part = blockIdx.y;
    if (block >= blocks) return;
    gradient.begin(lookup.at(block), low, high);
    const u64 step = static_cast<u64>(parts) * e2;
    for (u64 i = static_cast<u64>(part) * e2 + block; i < count; i += step) pass.element(i);
#else
    const Part<TEAM> own(parts);
    const u32 lane = own.lane, block = own.block, part = own.part;
    gradient.begin(lookup.of_block(min(block, blocks - 1)), low, high);
    if (block < blocks) own.walk(pass, lookup.blocks, count, parts);
#endif
    gradient.fold();
#if LAYOUT != 3
    reduce_team<TEAM>(gradient.sums);
#endif
    if (lane || block >= blocks) return;
    const double elements = block_elements(count, block, lookup.blocks);
    if (ATOMIC || parts == 1)
        results.put(gradient.sums, block, elements);
    else
        rows[static_cast<u64>(block) * parts + part] = gradient.sums;
#endif
}

// A thread block adds up the rows of a scale block.
extern "C" __global__ void __launch_bounds__(THREADS)
finish(Sums *__restrict__ rows, float *__restrict__ by_scale, float *__restrict__ by_zero, u64 count, float high, u32 parts,
       BLOCK_PARAMETERS)
{
    const Blocks geometry = BLOCK_ARGUMENTS;
    const u32 block = blockIdx.x;
    Sums mine = {0.0, 0.0};
    for (u32 part = threadIdx.x; part < parts; part += THREADS) mine.add(rows[static_cast<u64>(block) * parts + part]);
    reduce_team<THREADS>(mine);
    const Results results = {rows, by_scale, by_zero, high};
    if (threadIdx.x == 0) results.put(mine, block, block_elements(count, block, geometry));
}
