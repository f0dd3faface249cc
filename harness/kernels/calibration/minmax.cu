// Values -> scales and zero points of the observed range, the tensor read once. Floor: its bytes.
//
// VALUE, LAYOUT, ELEMENT, SCALE, ASYMMETRIC, UNSIGNED, ROUND_UP as in common/; WIDTH as in common/walk.cuh. TEAM threads (a
// part of a warp, or all THREADS) have a block; all THREADS may have one of `parts` of a block: then both ends of its range
// are found by integer maxima in `keys` (0 before), whatever their order, and the last part makes the scale. LAYOUT 3: TEAM
// threads side by side have WIDTH columns each, and the rows are dealt.
#include "calibration/block_place.cuh"
#include "common/put_scale.cuh"
#include "common/team.cuh"

__device__ __forceinline__ void publish(const Range &range, u32 *keys)
{
    const u32 above = __float_as_uint(range.above);
    if (above > __ldcg(keys)) atomicMax(keys, above);
#if ASYMMETRIC
    const u32 below = __float_as_uint(range.below);
    if (below > __ldcg(keys + 1)) atomicMax(keys + 1, below);
#endif
}

__device__ __forceinline__ Range published(const u32 *keys)
{
    Range range;
    range.above = __uint_as_float(__ldcg(keys));
#if ASYMMETRIC
    range.below = __uint_as_float(__ldcg(keys + 1));
#endif
    return range;
}

#if LAYOUT == 3

// A thread's columns, over the rows that it has.
struct Columns {
    Range ranges[STEP];

    __device__ __forceinline__ void take(float x) { ranges[0].take(x); }
    template <int N> __device__ __forceinline__ void take(const float (&x)[N])
    {
#pragma unroll
        for (int j = 0; j < N; ++j) ranges[j].take(x[j]);
    }
};

extern "C" __global__ void __launch_bounds__(THREADS)
find_range(const value_t *__restrict__ x, u32 *__restrict__ keys, u32 *__restrict__ tickets, CALIBRATED_PARAMETERS, u64 count,
           u32 blocks, u32 parts, BLOCK_PARAMETERS)
{
    const u32 first = blockIdx.x * TEAM, column = first + threadIdx.x % TEAM;
    const u32 step = gridDim.y * (THREADS / TEAM);
    const Calibrated out = CALIBRATED_ARGUMENTS;
    if (column < e2) {
        Columns columns;
        u32 row = blockIdx.y * (THREADS / TEAM) + threadIdx.x / TEAM;
        Piece pieces[IN_FLIGHT];
        for (; row < e1; row += IN_FLIGHT * step) {
#pragma unroll
            for (int j = 0; j < IN_FLIGHT; ++j)
                if (row + j * step < e1) pieces[j].load(x, static_cast<u64>(row + j * step) * e2 + column);
#pragma unroll
            for (int j = 0; j < IN_FLIGHT; ++j)
                if (row + j * step < e1) pieces[j].give(columns);
        }
#pragma unroll
        for (int j = 0; j < STEP; ++j) publish(columns.ranges[j], keys + 2 * (column * STEP + j));
    }
    if (!arrived_last(tickets + blockIdx.x, gridDim.y)) return;
    const u32 end = min(TEAM, e2 - first) * STEP;
    for (u32 i = threadIdx.x; i < end; i += THREADS) out.put(first * STEP + i, published(keys + 2 * (first * STEP + i)));
}

#else

extern "C" __global__ void __launch_bounds__(THREADS)
find_range(const value_t *__restrict__ x, u32 *__restrict__ keys, u32 *__restrict__ tickets, CALIBRATED_PARAMETERS, u64 count,
           u32 blocks, u32 parts, BLOCK_PARAMETERS)
{
    const Team team(blocks, parts);
    const Calibrated out = CALIBRATED_ARGUMENTS;
    Range range;
    if (team.present) {
        const Blocks geometry = BLOCK_ARGUMENTS;
        const BlockPlace place(geometry, count, team.block);
        place.take(range, x, static_cast<u64>(team.part) * TEAM + team.lane, static_cast<u64>(parts) * TEAM);
    }
    reduce_team<TEAM>(range);
#if TEAM == THREADS
    if (parts > 1) {
        if (threadIdx.x == 0) publish(range, keys + 2 * team.block);
        if (!arrived_last(tickets + team.block, parts)) return;
        range = published(keys + 2 * team.block);
    }
#endif
    if (team.lane == 0 && team.present) out.put(team.block, range);
}

#endif
