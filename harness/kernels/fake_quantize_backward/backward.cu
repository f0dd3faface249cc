// Gradients through fake_quantize: by the values the upstream ones, or 0 where saturated; by scales and zero points sums over
// each block. Floor: values and upstream read once, the values' gradients written once.
//
// RULE 0: straight through, saturated where the rounded code is; 1: LSQ, saturated where the quotient is, sums times
// 1 / sqrt(N * high) (harness/numerics/gradients.py). VALUE, LAYOUT, ASYMMETRIC as in common/; WIDTH as in common/walk.cuh. A
// TEAM of threads (a part of a warp) has a block, or every parts-th step of one.
//
// ATOMIC 0: teams that share a block leave a row of sums each, which finish() adds up: the same operands give the same bits.
// 1: they add to the result in whatever order they come.
#include "common/values.cuh"
#include "common/walk.cuh"

#define STEP (WIDTH ? WIDTH : 1)
#define IN_FLIGHT 2
#define FOLD 32 // terms that f32 adds up before f64 does: many sums of few

struct Sums {
    double scale, zero;

    __device__ __forceinline__ void add(const Sums &other)
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
    __device__ __forceinline__ void take(const float (&x)[N], const float (&upstream)[N], float (&made)[N], float least, float most)
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
    double elements; // that share a scale
    float high;

    __device__ __forceinline__ double factor() const
    {
#if RULE
        return 1.0 / sqrt(elements * high);
#else
        return 1.0;
#endif
    }
    __device__ __forceinline__ void put(const Sums &sums, u32 block) const
    {
#if ATOMIC
        atomicAdd(by_scale + block, static_cast<float>(sums.scale * factor()));
#if ASYMMETRIC
        atomicAdd(by_zero + block, static_cast<float>(sums.zero));
#endif
#else
        by_scale[block] = static_cast<float>(sums.scale * factor());
#if ASYMMETRIC
        by_zero[block] = static_cast<float>(sums.zero);
#endif
#endif
    }
    __device__ __forceinline__ void put(const Sums &sums, u32 block, u32 part, u32 parts) const
    {
        if (ATOMIC || parts == 1)
            put(sums, block);
        else
            rows[static_cast<u64>(block) * parts + part] = sums;
    }
};

// The sum over the team, in all of its threads.
template <int LANES> __device__ __forceinline__ void reduce(Sums &mine)
{
#pragma unroll
    for (int distance = (LANES < 32 ? LANES : 32) / 2; distance; distance /= 2) mine.exchange(distance);
    if (LANES > 32) {
        __shared__ Sums totals[THREADS / 32];
        if (threadIdx.x % 32 == 0) totals[threadIdx.x / 32] = mine;
        __syncthreads();
        mine = totals[threadIdx.x % (THREADS / 32)];
#pragma unroll
        for (int distance = THREADS / 64; distance; distance /= 2) mine.exchange(distance);
    }
}

// Elements of a block, of which those at the end of an axis are smaller. Extents count vectors.
__device__ __forceinline__ double block_elements(u64 count, u32 block, const Blocks &blocks)
{
#if LAYOUT == 0
    return static_cast<double>(count);
#elif LAYOUT == 1
    const u64 start = static_cast<u64>(block) * blocks.b2 * STEP;
    return static_cast<double>(min(static_cast<u64>(blocks.b2) * STEP, count - start));
#elif LAYOUT == 2
    const u32 e0 = static_cast<u32>(count / STEP / blocks.e2 / blocks.e1);
    const u32 depth = min(blocks.b0, e0 - block / blocks.g0 * blocks.b0);
    const u32 height = min(blocks.b1, blocks.e1 - block % blocks.g0 / blocks.g1 * blocks.b1);
    const u32 width = min(blocks.b2, blocks.e2 - block % blocks.g1 * blocks.b2);
    return static_cast<double>(depth) * height * width * STEP;
#else
    return static_cast<double>(count / blocks.e2);
#endif
}

#if WIDTH
typedef Packet<WIDTH * sizeof(value_t)> Loaded;

__device__ __forceinline__ void take_vector(Gradient &gradient, const Tensors &tensors, const Loaded &x, const Loaded &upstream, u64 vector)
{
    Values<WIDTH> values, gradients, made;
    values.unpack(x);
    gradients.unpack(upstream);
    gradient.take(values.at, gradients.at, made.at, tensors.low, tensors.high);
    made.pack().store(tensors.made + vector * WIDTH);
}
#endif

__device__ __forceinline__ void take_vector(Gradient &gradient, const Tensors &tensors, u64 vector)
{
#if WIDTH
    Loaded x, upstream;
    x.load(tensors.x + vector * WIDTH);
    upstream.load(tensors.upstream + vector * WIDTH);
    take_vector(gradient, tensors, x, upstream, vector);
#else
    tensors.element(gradient, vector);
#endif
}

// Every step-th vector from `at` on.
__device__ __forceinline__ void take_vectors(Gradient &gradient, const Tensors &tensors, u64 at, u64 end, u64 step)
{
#if WIDTH
    for (; at + (IN_FLIGHT - 1) * step < end; at += IN_FLIGHT * step) {
        Loaded x[IN_FLIGHT], upstream[IN_FLIGHT];
#pragma unroll
        for (int i = 0; i < IN_FLIGHT; ++i) {
            x[i].load(tensors.x + (at + i * step) * WIDTH);
            upstream[i].load(tensors.upstream + (at + i * step) * WIDTH);
        }
#pragma unroll
        for (int i = 0; i < IN_FLIGHT; ++i) take_vector(gradient, tensors, x[i], upstream[i], at + i * step);
    }
#endif
    for (; at < end; at += step) take_vector(gradient, tensors, at);
}

extern "C" __global__ void __launch_bounds__(THREADS)
backward(const value_t *__restrict__ x, const value_t *__restrict__ upstream, SCALE_PARAMETERS, value_t *__restrict__ made,
         Sums *__restrict__ rows, float *__restrict__ by_scale, float *__restrict__ by_zero, u64 count, float low, float high,
         u32 blocks, u32 parts, BLOCK_PARAMETERS)
{
    const Lookup lookup(SCALE_ARGUMENTS, BLOCK_ARGUMENTS);
    const Tensors tensors = {x, upstream, made, low, high};
    Gradient gradient;
#if LAYOUT == 3
    const u32 block = blockIdx.x * THREADS + threadIdx.x, part = blockIdx.y;
    if (block >= blocks) return;
    gradient.begin(lookup.at(block), low, high);
    const u64 step = static_cast<u64>(parts) * e2;
    for (u64 i = static_cast<u64>(part) * e2 + block; i < count; i += step) tensors.element(gradient, i);
    gradient.fold();
#else
    const u64 team = (static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x) / TEAM;
    const u32 lane = threadIdx.x % TEAM, block = static_cast<u32>(team / parts), part = static_cast<u32>(team % parts);
    if (block < blocks) {
        gradient.begin(lookup.of_block(block), low, high);
#if LAYOUT < 2
        const u64 vectors = count / STEP;
        const u64 length = LAYOUT ? b2 : vectors + 1;
        const u64 start = block * length;
        const u64 end = min(start + length, vectors);
        take_vectors(gradient, tensors, start + part * TEAM + lane, end, static_cast<u64>(parts) * TEAM);
        // The tensor's last vector may be short.
        if (part == 0 && start <= vectors && vectors < start + length)
            for (u64 i = vectors * STEP + lane; i < count; i += TEAM) tensors.element(gradient, i);
#else
        const u32 e0 = static_cast<u32>(count / STEP / e2 / e1);
        const u32 outer = block / g0 * b0, inner = block % g0 / g1 * b1, column = block % g1 * b2;
        const u32 depth = min(b0, e0 - outer), height = min(b1, e1 - inner), width = min(b2, e2 - column);
        for (u32 i = part * TEAM + lane; i < depth * height * width; i += parts * TEAM) {
            const u32 row = i / width;
            const u64 at = static_cast<u64>((outer + row / height) * e1 + inner + row % height) * e2 + column + i % width;
            take_vector(gradient, tensors, at);
        }
#endif
        gradient.fold();
    } else {
        gradient.sums = {0.0, 0.0};
    }
    reduce<TEAM>(gradient.sums);
    if (lane || block >= blocks) return;
#endif
    const Results results = {rows, by_scale, by_zero, block_elements(count, block, lookup.blocks), high};
    results.put(gradient.sums, block, part, parts);
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
    reduce<THREADS>(mine);
    if (threadIdx.x == 0) Results{rows, by_scale, by_zero, block_elements(count, block, geometry), high}.put(mine, block);
}
