// Values -> scales and zero points of the moving average of batches' ranges (harness/numerics/moving_average.py), the tensor
// read once. Floor: its bytes.
//
// The ranges of all batches are found at once: they are minima and maxima, in any order the same. Then one thread a block
// averages them in the order of the batches, in f32 without contraction, and makes the scale.
//
// Macros as in minmax.cu. A batch is `batch` vectors (LAYOUT 3: rows), of whole blocks there are `batches`, those at the end
// of an axis may have fewer. TEAM part of a warp: it has a block and takes batch after batch. TEAM == THREADS: thread blocks
// have one of `parts` of a block; its units are `splits` a batch, GROUP threads have one; the batches' ranges meet in shared
// memory, of several parts in `keys` (0 before), and the last part averages them. LAYOUT 3: as in minmax.cu, gridDim.y is
// batches * splits.
#include "calibration/block_place.cuh"
#include "calibration/batch_range.cuh"
#include "common/put_scale.cuh"
#include "common/team.cuh"

#define MOST_BATCHES 1024
#define BATCH_PARAMETERS u32 batches, u32 batch, u32 splits, float weight

#if LAYOUT == 3

// A thread's columns, over the rows that it has.
struct Columns {
    BatchRange ranges[STEP];

    __device__ __forceinline__ void take(float x) { ranges[0].take(x); }
    template <int N> __device__ __forceinline__ void take(const float (&x)[N])
    {
#pragma unroll
        for (int j = 0; j < N; ++j) ranges[j].take(x[j]);
    }
};

// keys: two a batch and column, batches outermost.
extern "C" __global__ void __launch_bounds__(THREADS)
average_ranges(const value_t *__restrict__ x, u32 *__restrict__ keys, u32 *__restrict__ tickets, CALIBRATED_PARAMETERS,
               u64 count, u32 blocks, u32 parts, BATCH_PARAMETERS, BLOCK_PARAMETERS)
{
    const u32 first = blockIdx.x * TEAM, column = first + threadIdx.x % TEAM;
    const u32 number = blockIdx.y / splits, step = splits * (THREADS / TEAM);
    const Calibrated out = CALIBRATED_ARGUMENTS;
    if (column < e2) {
        Columns columns;
        const u64 begin = static_cast<u64>(number) * batch, end = min(begin + batch, static_cast<u64>(e1));
        u64 row = begin + blockIdx.y % splits * (THREADS / TEAM) + threadIdx.x / TEAM;
        Piece pieces[IN_FLIGHT];
        for (; row < end; row += IN_FLIGHT * step) {
#pragma unroll
            for (int j = 0; j < IN_FLIGHT; ++j)
                if (row + j * step < end) pieces[j].load(x, (row + j * step) * e2 + column);
#pragma unroll
            for (int j = 0; j < IN_FLIGHT; ++j)
                if (row + j * step < end) pieces[j].give(columns);
        }
        u32 *own = keys + 2 * (static_cast<u64>(number) * blocks + column * STEP);
#pragma unroll
        for (int j = 0; j < STEP; ++j) columns.ranges[j].publish(own + 2 * j);
    }
    if (!arrived_last(tickets + blockIdx.x, gridDim.y)) return;
    const u32 end = min(TEAM, e2 - first) * STEP;
    for (u32 i = threadIdx.x; i < end; i += THREADS) {
        MovingRange moving;
#pragma unroll 4
        for (u32 k = 0; k < batches; ++k)
            moving.take(BatchRange::published(keys + 2 * (static_cast<u64>(k) * blocks + first * STEP + i)), weight);
        out.put(first * STEP + i, moving.range());
    }
}

#elif TEAM < THREADS

extern "C" __global__ void __launch_bounds__(THREADS)
average_ranges(const value_t *__restrict__ x, u32 *__restrict__ keys, u32 *__restrict__ tickets, CALIBRATED_PARAMETERS,
               u64 count, u32 blocks, u32 parts, BATCH_PARAMETERS, BLOCK_PARAMETERS)
{
    const Team team(blocks, 1);
    const Blocks geometry = BLOCK_ARGUMENTS;
    const BlockPlace place(geometry, count, team.block);
    const Calibrated out = CALIBRATED_ARGUMENTS;
    MovingRange moving;
    // Teams of a warp may have different numbers of batches, but reduce together.
#pragma unroll 1
    for (u32 k = 0; k < batches; ++k) {
        const u64 begin = static_cast<u64>(k) * batch;
        const bool there = team.present && begin * STEP < place.elements;
        BatchRange range;
        if (there) place.take_run(range, x, begin, begin + batch, team.lane, TEAM);
        reduce_team<TEAM>(range);
        if (there) moving.take(range, weight);
    }
    if (team.lane == 0 && team.present) out.put(team.block, moving.range());
}

#else

#define GROUPS (THREADS / GROUP)

extern "C" __global__ void __launch_bounds__(THREADS)
average_ranges(const value_t *__restrict__ x, u32 *__restrict__ keys, u32 *__restrict__ tickets, CALIBRATED_PARAMETERS,
               u64 count, u32 blocks, u32 parts, BATCH_PARAMETERS, BLOCK_PARAMETERS)
{
    __shared__ u32 held[2 * MOST_BATCHES];
    const Team team(blocks, parts);
    const Blocks geometry = BLOCK_ARGUMENTS;
    const BlockPlace place(geometry, count, team.block);
    const u64 batch_elements = static_cast<u64>(batch) * STEP;
    const u32 present = static_cast<u32>((place.elements + batch_elements - 1) / batch_elements);
    u32 *own = keys + 2 * static_cast<u64>(team.block) * batches, *meeting = parts > 1 ? own : held;
    if (parts == 1)
        for (u32 i = threadIdx.x; i < 2 * present; i += THREADS) held[i] = 0;
    __syncthreads();
    const u32 group = team.part * GROUPS + threadIdx.x / GROUP, lane = threadIdx.x % GROUP;
    // Groups of a warp reduce together: all go as often as the first.
    for (u32 start = team.part * GROUPS; start < present * splits; start += parts * GROUPS) {
        const u32 unit = start + group - team.part * GROUPS, number = unit / splits;
        const bool there = number < present;
        const u64 begin = static_cast<u64>(number) * batch;
        BatchRange range;
        if (there) place.take_run(range, x, begin, begin + batch, unit % splits * GROUP + lane, splits * GROUP);
        reduce_team<GROUP>(range);
        if (there && lane == 0) range.publish(meeting + 2 * number);
    }
    if (parts > 1) {
        if (!arrived_last(tickets + team.block, parts)) return;
        for (u32 i = threadIdx.x; i < 2 * present; i += THREADS) held[i] = __ldcg(own + i);
    }
    __syncthreads();
    if (threadIdx.x) return;
    MovingRange moving;
#pragma unroll 4
    for (u32 k = 0; k < present; ++k) moving.take(BatchRange::of(held[2 * k], held[2 * k + 1]), weight);
    const Calibrated out = CALIBRATED_ARGUMENTS;
    out.put(team.block, moving.range());
}

#endif
