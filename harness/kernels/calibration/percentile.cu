// Values -> scales and zero points of the order statistics at P percent (both tails where ASYMMETRIC), exactly.
//
// Radix selection from the highest digit down (of 11 bits, the last of what is left: 3 passes of f32, 2 of 16-bit types): a
// pass counts the digit of all keys that share the digits found before, and takes the digit in which the wanted rank falls.
// Floor: the tensor's bytes times the passes; of blocks that one thread block has the later passes find it in the cache. HELD
// > 0: small blocks instead, a warp each, whose keys lie in shared memory (HELD a lane) and are selected bit by bit; the
// tensor is read once.
//
// VALUE, LAYOUT, ELEMENT, SCALE, ASYMMETRIC, UNSIGNED, ROUND_UP, WIDTH, TEAM as in minmax.cu; COPIES: histograms of the first
// digit, which all keys are counted in: lanes that hit neighbouring bins then meet less often.
#include "common/block_scan.cuh"
#include "calibration/block_place.cuh"
#include "common/put_scale.cuh"
#include "calibration/order_key.cuh"

#define TAILS (1 + ASYMMETRIC)
#define DIGIT_BITS 11
#define BINS (1 << DIGIT_BITS)
#define DIGITS ((KEY_BITS + DIGIT_BITS - 1) / DIGIT_BITS)

// Rank ceil(P / 100 * elements) of the high tail, at least 1; P / 100 = numerator / denominator. The low tail's is that of
// 100 - P.
struct Percentile {
    u64 numerator, denominator;

    __device__ __forceinline__ u32 rank(u64 elements, int tail) const
    {
        const u64 part = tail ? denominator - numerator : numerator;
        const u64 rank = (part * elements + denominator - 1) / denominator;
        return static_cast<u32>(rank < 1 ? 1 : rank > elements ? elements : rank);
    }
};

// Keys of the order statistics, high tail first -> the range, which includes 0.
__device__ __forceinline__ Range range_of(const u32 *keys, u64 elements)
{
    Range range;
    if (elements == 0) return range;
    range.above = fmaxf(value_of(keys[0]), 0.0f);
#if ASYMMETRIC
    range.below = fmaxf(-value_of(keys[1]), 0.0f);
#endif
    return range;
}

#if HELD

#define WARPS (THREADS / 32)

// A lane's keys, in its column of the warp's part of shared memory.
struct Holder {
    u32 *at;

    __device__ __forceinline__ void take(float x)
    {
        *at = key_of(x);
        at += 32;
    }
    template <int N> __device__ __forceinline__ void take(const float (&x)[N])
    {
#pragma unroll
        for (int i = 0; i < N; ++i) take(x[i]);
    }
};

// The key of that rank among those of the warp, `held` a lane: its bits from the highest down, by how many keys share those
// found and have a 0 next.
__device__ __forceinline__ u32 select_key(const u32 *mine, u32 held, u32 rank)
{
    u32 found = 0;
    for (int bit = KEY_BITS - 1; bit >= 0; --bit) {
        u32 below = 0;
        for (u32 i = 0; i < held; ++i) below += mine[32 * i] >> bit == found >> bit;
        below = __reduce_add_sync(0xFFFFFFFFu, below);
        if (rank > below) {
            rank -= below;
            found |= 1u << bit;
        }
    }
    return found;
}

extern "C" __global__ void __launch_bounds__(THREADS)
select_rank(const value_t *__restrict__ x, CALIBRATED_PARAMETERS, u64 count, u32 blocks, u64 numerator, u64 denominator,
            BLOCK_PARAMETERS)
{
    __shared__ u32 keys[WARPS][HELD * 32];
    const Team team(blocks, 1);
    if (!team.present) return; // whole warps
    const Blocks geometry = BLOCK_ARGUMENTS;
    const BlockPlace place(geometry, count, team.block);
    u32 *mine = keys[threadIdx.x / 32] + team.lane;
    Holder holder = {mine};
    place.take(holder, x, team.lane, 32);
    // No key is larger: what is not there counts last. Lanes of the warp have different numbers, all go to the most.
    const u32 held = __reduce_max_sync(0xFFFFFFFFu, static_cast<u32>(holder.at - mine) / 32);
    while (holder.at < mine + 32 * held) {
        *holder.at = 0xFFFFFFFFu;
        holder.at += 32;
    }
    const Percentile percentile = {numerator, denominator};
    u32 found[TAILS];
#pragma unroll
    for (int tail = 0; tail < TAILS; ++tail) found[tail] = select_key(mine, held, percentile.rank(place.elements, tail));
    const Calibrated out = CALIBRATED_ARGUMENTS;
    if (team.lane == 0) out.put(team.block, range_of(found, place.elements));
}

#else

// What is known of one order statistic: digits found, and its rank among the keys that share them.
struct Selection {
    u32 prefix, rank;
};

struct Counter {
    u32 (*counts)[BINS]; // of this lane's copy; of later digits of the first tail
    Selection tails[TAILS];
    u32 shift, bits; // of the digit
    bool highest;

    __device__ __forceinline__ void begin(u32 digit)
    {
        highest = digit == 0;
        bits = digit + 1 < DIGITS ? DIGIT_BITS : KEY_BITS - (DIGITS - 1) * DIGIT_BITS;
        shift = digit + 1 < DIGITS ? KEY_BITS - (digit + 1) * DIGIT_BITS : 0;
    }
    __device__ __forceinline__ void take(float x)
    {
        const u32 key = key_of(x);
        const u32 digit = key >> shift & ((1u << bits) - 1);
        if (highest) {
            atomicAdd(counts[0] + digit, 1u);
            return;
        }
#pragma unroll
        for (int tail = 0; tail < TAILS; ++tail)
            if (key >> (shift + bits) == tails[tail].prefix) atomicAdd(counts[tail] + digit, 1u);
    }
    template <int N> __device__ __forceinline__ void take(const float (&x)[N])
    {
#pragma unroll
        for (int i = 0; i < N; ++i) take(x[i]);
    }
};

// The digit in which the rank falls.
__device__ __forceinline__ void choose(Selection *selection, const u32 *counts, u32 bits)
{
    __shared__ u32 scratch[THREADS / 32];
    __shared__ Selection chosen;
    const u32 each = BINS / THREADS, first = threadIdx.x * each;
    const Selection before = *selection;
    u32 mine = 0;
    for (u32 i = 0; i < each; ++i) mine += counts[first + i];
    u32 below = sum_before(mine, scratch);
    if (below < before.rank && before.rank <= below + mine) {
        u32 digit = first;
        while (below + counts[digit] < before.rank) below += counts[digit++];
        chosen = {before.prefix << bits | digit, before.rank - below};
    }
    __syncthreads();
    *selection = chosen;
    __syncthreads();
}

// Digits first_digit … last_digit - 1, the highest is 0. Of blocks with several parts one digit a launch: the parts' counts
// meet in totals (0 before, and after), the last part chooses. selections: TAILS a block, kept from launch to launch.
extern "C" __global__ void __launch_bounds__(THREADS)
select_rank(const value_t *__restrict__ x, u32 *__restrict__ totals, Selection *__restrict__ selections,
            u32 *__restrict__ tickets, CALIBRATED_PARAMETERS, u64 count, u32 blocks, u32 parts, u64 numerator, u64 denominator,
            u32 first_digit, u32 last_digit, BLOCK_PARAMETERS)
{
    __shared__ u32 counts[COPIES][BINS];
    const Team team(blocks, parts);
    const Blocks geometry = BLOCK_ARGUMENTS;
    const BlockPlace place(geometry, count, team.block);
    const Percentile percentile = {numerator, denominator};
    Counter counter;
    for (int tail = 0; tail < TAILS; ++tail)
        counter.tails[tail] =
            first_digit ? selections[team.block * TAILS + tail] : Selection{0u, percentile.rank(place.elements, tail)};
    for (u32 digit = first_digit; digit < last_digit; ++digit) {
        counter.begin(digit);
        const u32 used = digit ? TAILS : COPIES;
        for (u32 i = threadIdx.x; i < used * BINS; i += THREADS) counts[0][i] = 0;
        __syncthreads();
        counter.counts = counts + (digit ? 0 : team.lane % COPIES);
        place.take(counter, x, static_cast<u64>(team.part) * TEAM + team.lane, static_cast<u64>(parts) * TEAM);
        __syncthreads();
        if (digit == 0)
            for (u32 i = threadIdx.x; i < BINS; i += THREADS)
                for (u32 copy = 1; copy < COPIES; ++copy) counts[0][i] += counts[copy][i];
        const u32 made = digit ? TAILS : 1;
        if (parts > 1) {
            u32 *whole = totals + static_cast<u64>(team.block) * TAILS * BINS;
            for (u32 i = threadIdx.x; i < made * BINS; i += THREADS)
                if (counts[0][i]) atomicAdd(whole + i, counts[0][i]);
            if (!arrived_last(tickets + team.block, parts)) return;
            for (u32 i = threadIdx.x; i < made * BINS; i += THREADS) {
                counts[0][i] = __ldcg(whole + i);
                whole[i] = 0;
            }
        }
        __syncthreads();
        if (place.elements)
            for (int tail = 0; tail < TAILS; ++tail) choose(counter.tails + tail, counts[digit ? tail : 0], counter.bits);
    }
    if (threadIdx.x) return;
    if (last_digit < DIGITS) {
        for (int tail = 0; tail < TAILS; ++tail) selections[team.block * TAILS + tail] = counter.tails[tail];
        return;
    }
    u32 found[TAILS];
    for (int tail = 0; tail < TAILS; ++tail) found[tail] = counter.tails[tail].prefix;
    const Calibrated out = CALIBRATED_ARGUMENTS;
    out.put(team.block, range_of(found, place.elements));
}

#endif
