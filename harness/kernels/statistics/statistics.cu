// Error of a quantized tensor in one read of tensor and codes: sums in f64, in a fixed order, so that the same operands give
// the same bits. NaN and Inf are counted and left out; codes are counted wherever they are.
//
// VALUE, LAYOUT, ELEMENT, BITS, SIGNED, SCALE, ASYMMETRIC as in common/; WIDTH as in common/walk.cuh. A TEAM of threads (a part
// of a warp) has a scale block, or every parts-th step of one, UNROLL vectors a thread in flight. STEPS: vectors a thread has
// of each block where all blocks are runs of TEAM * STEPS vectors, then UNROLL / STEPS blocks are in flight; else 0.
//
// The last thread block to end adds up what all have left; the counters it needs are 0 again afterwards. Where blocks are
// shared by teams, worst() finds the worst of them.
#include "common/values.cuh"
#include "common/lookup.cuh"
#include "common/codes.cuh"
#include "statistics/elements.cuh"

#ifndef RESIDENT
// Thread blocks a multiprocessor, which bounds registers: without spills (NOTES.md).
#define RESIDENT (VALUE || LAYOUT > 1 ? 3 : 4)
#endif
#define TEAMS (32 / TEAM) // of a warp

// A part of a block: sum of squared errors, elements left out.
struct Part {
    double sum, missing;
};

// Errors inside the range of all blocks that are done, and the error of the worst of them.
struct Seen {
    double rounding, worst;

    // A block or a part of one is done: its sum over the team, in all of its threads.
    __device__ __forceinline__ Part close(BlockSum &sum)
    {
        rounding += sum.inside;
        Part part = {sum.inside, 0.0};
        u32 missing = 0;
        if (__any_sync(ALL_LANES, sum.touched)) {
            Rare &mine = rare();
            mine.clipping[threadIdx.x] += sum.outside();
            mine.left_out[threadIdx.x] += missing = sum.missing();
            part.sum += sum.outside();
#pragma unroll 1
            for (int distance = TEAM / 2; distance; distance /= 2) missing += __shfl_xor_sync(ALL_LANES, missing, distance);
            part.missing = missing;
            sum.clear();
        }
        sum.inside = 0.0;
#pragma unroll
        for (int distance = TEAM / 2; distance; distance /= 2) part.sum += __shfl_xor_sync(ALL_LANES, part.sum, distance);
        return part;
    }

    // A mean is made of those only that may be the worst.
    __device__ __forceinline__ void compare(const Part &part, u32 block, double elements)
    {
        const double counted = elements - part.missing;
        if (counted > 0.0 && part.sum > worst * counted) {
            worst = part.sum / counted;
            rare().worst[threadIdx.x] = block;
        }
    }
};

#if LAYOUT < 3

#if STEPS
// Tiles of whole blocks, UNROLL vectors a thread. Returns the first block that is left.
__device__ __forceinline__ u32 take_tiles(const Walk &walk, Tally &tally, Seen &seen, u32 warp, u32 warps)
{
    constexpr u32 RUNS = UNROLL / STEPS, TILE = TEAMS * RUNS, LENGTH = TEAM * STEPS;
    const u32 lane = threadIdx.x % TEAM, team = threadIdx.x % 32 / TEAM;
    const u32 tiles = static_cast<u32>(walk.count / (static_cast<u64>(TILE) * LENGTH * STEP));
    BlockSum sum;
    sum.clear();
#pragma unroll 1
    for (u32 tile = warp; tile < tiles; tile += warps) {
        const u32 block = tile * TILE + team;
        const u32 first = block * LENGTH + lane;
        Loaded loaded[UNROLL];
        Affine affines[RUNS];
#pragma unroll
        for (u32 i = 0; i < UNROLL; ++i) walk.load(loaded[i], first + (i / STEPS * TEAMS * STEPS + i % STEPS) * TEAM);
#pragma unroll
        for (u32 run = 0; run < RUNS; ++run) affines[run] = walk.lookup.of_block(block + run * TEAMS);
#pragma unroll
        for (u32 run = 0; run < RUNS; ++run) {
#pragma unroll
            for (u32 step = 0; step < STEPS; ++step) {
                const u32 vector = first + (run * TEAMS * STEPS + step) * TEAM;
                walk.take(sum, tally, loaded[run * STEPS + step], vector, affines[run]);
            }
            const Part part = seen.close(sum);
            seen.compare(part, block + run * TEAMS, LENGTH * STEP);
        }
    }
    return tiles * TILE;
}
#endif

// Blocks (or parts of them) from `from` on, one a team.
__device__ __forceinline__ void take_blocks(const Walk &walk, Tally &tally, Seen &seen, u32 from, u32 blocks, u32 parts,
                                            u32 warp, u32 warps, Part *shared)
{
    constexpr int IN_FLIGHT = STEPS ? 1 : UNROLL; // few are left by tiles
    constexpr int AT_END = LAYOUT ? IN_FLIGHT : 1; // one block has one end
    const u32 lane = threadIdx.x % TEAM, team = threadIdx.x % 32 / TEAM;
    const u64 items = static_cast<u64>(blocks) * parts;
    const index_t stride = static_cast<index_t>(parts) * TEAM;
    const index_t most = Extent::most(walk.lookup.blocks, walk.count);
    BlockSum sum;
    sum.clear();
#pragma unroll 1
    for (u64 base = static_cast<u64>(from) * parts + warp * TEAMS; base < items; base += warps * TEAMS) {
        const u64 item = base + team;
        const bool there = item < items;
        const u32 block = static_cast<u32>(!there ? 0 : parts == 1 ? item : item / parts);
        const u32 part = static_cast<u32>(there ? item - static_cast<u64>(block) * parts : 0);
        const Extent extent(walk.lookup.blocks, walk.count, block, there);
        const Affine affine = walk.lookup.of_block(block);
        index_t at = static_cast<index_t>(part) * TEAM + lane;
        // All teams of a warp take as many steps as one whose block is whole.
        index_t step = 0;
#if WIDTH && !STEPS && (LAYOUT < 2 || VALUE == 0) // a second loop of blocks over 16-bit values would spill
        // As long as no lane is at its end: there is one whose place is not below `before`.
        const u32 apart = kept(stride), beyond = (IN_FLIGHT - 1) * stride;
        const u32 before = kept(extent.length > beyond ? extent.length - beyond : 0u);
#pragma unroll 1
        for (; __all_sync(ALL_LANES, at < before); step += IN_FLIGHT * stride) {
            Loaded loaded[IN_FLIGHT];
            index_t vectors[IN_FLIGHT];
#pragma unroll
            for (int i = 0; i < IN_FLIGHT; ++i) {
                vectors[i] = extent.vector(at + i * apart, walk.lookup.blocks);
                walk.load(loaded[i], vectors[i]);
            }
#pragma unroll
            for (int i = 0; i < IN_FLIGHT; ++i) walk.take(sum, tally, loaded[i], vectors[i], affine);
            at += IN_FLIGHT * apart;
        }
#endif
#pragma unroll 1
        for (; step < most; step += AT_END * stride) {
            Loaded loaded[AT_END];
#pragma unroll
            for (int i = 0; i < AT_END; ++i)
                if (at + i * stride < extent.length) walk.load(loaded[i], extent.vector(at + i * stride, walk.lookup.blocks));
#pragma unroll
            for (int i = 0; i < AT_END; ++i) {
                const index_t here = at + i * stride;
                walk.take(sum, tally, loaded[i], extent.vector(here, walk.lookup.blocks), here < extent.length, affine);
            }
            at += AT_END * stride;
        }
#if LAYOUT < 2
        walk.take_rest(sum, tally, there && block == blocks - 1 && part == 0, lane, affine);
#endif
        const Part found = seen.close(sum);
        if (parts == 1)
            seen.compare(found, block, static_cast<double>(extent.elements));
        else if (there && lane == 0 && LAYOUT)
            shared[static_cast<u64>(part) * blocks + block] = found;
    }
}

#else

// STEP neighbouring columns, each a block of its own.
struct Columns {
    Affine affines[STEP];
    BlockSum sums[STEP];
};

// Warps of columns, a vector a lane, or every parts-th row of them.
__device__ __forceinline__ void take_blocks(const Walk &walk, Tally &tally, Seen &seen, u32, u32 blocks, u32 parts,
                                            u32 warp, u32 warps, Part *shared)
{
    const u32 across = walk.lookup.blocks.e2, lane = threadIdx.x % 32;
    const u32 rows = static_cast<u32>(walk.count / STEP / across);
    const u64 items = static_cast<u64>((across + 31) / 32) * parts;
#pragma unroll 1
    for (u64 item = warp; item < items; item += warps) {
        const u32 part = static_cast<u32>(item % parts), column = static_cast<u32>(item / parts) * 32 + lane;
        const bool there = column < across;
        Columns mine;
#pragma unroll
        for (int j = 0; j < STEP; ++j) {
            mine.affines[j] = walk.lookup.of_block(there ? column * STEP + j : 0);
            mine.sums[j].clear();
        }
#pragma unroll 1
        for (u32 row = part; row < rows; row += parts) {
            const index_t vector = static_cast<index_t>(row) * across + column;
            float values[STEP] = {}, made[STEP] = {};
            if (there) {
                Loaded loaded;
                walk.load(loaded, vector);
                walk.unpack(loaded, vector, values, made);
            }
#pragma unroll
            for (int j = 0; j < STEP; ++j) {
                const u32 index = static_cast<u32>(vector) * STEP + j;
                float value[1] = {values[j]}, decoded[1] = {there ? mine.affines[j].decode(made[j]) : 0.0f};
                mine.sums[j].take(tally, value, decoded, there, index, mine.affines[j], walk.range);
            }
        }
#pragma unroll
        for (int j = 0; j < STEP; ++j) {
            const Part found = seen.close(mine.sums[j]);
            const u32 block = column * STEP + j;
            if (parts == 1)
                seen.compare(found, block, there ? rows : 0);
            else if (there)
                shared[static_cast<u64>(part) * blocks + block] = found;
        }
    }
}

#endif

// Whether this thread block is the last to come here: then it sees what all others have written before.
__device__ __forceinline__ bool is_last(u32 *arrived)
{
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicInc(arrived, gridDim.x - 1) == gridDim.x - 1;
    __syncthreads();
    if (last) __threadfence();
    return last;
}

template <typename Row> __device__ __forceinline__ Row load_row(const Row *rows, u32 row)
{
    Row loaded;
    const double *from = reinterpret_cast<const double *>(rows + row);
    double *to = reinterpret_cast<double *>(&loaded);
#pragma unroll
    for (int i = 0; i < sizeof(Row) / sizeof(double); ++i) to[i] = __ldcg(from + i);
    return loaded;
}

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
measure(const value_t *__restrict__ x, const u8 *__restrict__ codes, SCALE_PARAMETERS, Figures *rows, Part *shared,
        u32 *counters, Figures *total, u32 *counts, u64 count, float lowest, float highest, float margin, u32 blocks,
        u32 parts, BLOCK_PARAMETERS)
{
    begin_elements();
    histogram().clear();
    const Lookup lookup(SCALE_ARGUMENTS, BLOCK_ARGUMENTS);
    const Walk walk = {x, codes, lookup, {lowest, highest, margin}, count, histogram().own()};
    const u32 warp = blockIdx.x * WARPS + threadIdx.x / 32, warps = gridDim.x * WARPS;
    Tally tally = {0.0, 0.0f};
    Seen seen = {0.0, -1.0};
    rare().clear();
    u32 from = 0;
#if STEPS
    from = take_tiles(walk, tally, seen, warp, warps);
#endif
    take_blocks(walk, tally, seen, from, blocks, parts, warp, warps, shared);

    const Rare &few = rare();
    const u32 i = threadIdx.x;
    Figures mine = {seen.rounding, few.clipping[i], tally.signal,
                    static_cast<double>(few.saturated[i]), static_cast<double>(few.nan[i]), static_cast<double>(few.inf[i]),
                    static_cast<double>(few.left_out[i]), {few.largest[i], static_cast<double>(few.at[i])},
                    {seen.worst, static_cast<double>(few.worst[i])}};
    reduce(mine);
    if (threadIdx.x == 0) rows[blockIdx.x] = mine;
    histogram().flush(counters + 1);
    if (!is_last(counters)) return;

    mine.clear();
    for (u32 row = threadIdx.x; row < gridDim.x; row += THREADS) mine.add(load_row(rows, row));
    reduce(mine);
    if (threadIdx.x == 0) {
#if LAYOUT == 0
        const double counted = static_cast<double>(count) - mine.left_out;
        if (counted > 0.0) mine.block = {(mine.rounding + mine.clipping) / counted, 0.0};
#endif
        *total = mine;
    }
    for (u32 code = threadIdx.x; code < CODES; code += THREADS) {
        counts[code] = __ldcg(counters + 1 + code);
        counters[1 + code] = 0;
    }
}

#if LAYOUT
// The worst of blocks that teams have shared, a thread a block: into the total's row.
extern "C" __global__ void __launch_bounds__(THREADS)
worst(const Part *__restrict__ shared, Peak *rows, u32 *counters, Figures *total, u64 count, u32 blocks, u32 parts,
      BLOCK_PARAMETERS)
{
    const Blocks geometry = BLOCK_ARGUMENTS;
    Figures mine;
    mine.clear();
    const u32 block = blockIdx.x * THREADS + threadIdx.x;
    if (block < blocks) {
        Part whole = {0.0, 0.0};
        for (u32 part = 0; part < parts; ++part) {
            const Part each = shared[static_cast<u64>(part) * blocks + block];
            whole.sum += each.sum;
            whole.missing += each.missing;
        }
#if LAYOUT == 3
        const double counted = static_cast<double>(count / STEP / geometry.e2) - whole.missing;
#else
        const double counted = static_cast<double>(Extent(geometry, count, block, true).elements) - whole.missing;
#endif
        if (counted > 0.0) mine.block = {whole.sum / counted, static_cast<double>(block)};
    }
    reduce(mine);
    if (threadIdx.x == 0) rows[blockIdx.x] = mine.block;
    if (!is_last(counters)) return;

    mine.clear();
    for (u32 row = threadIdx.x; row < gridDim.x; row += THREADS) mine.block.add(load_row(rows, row));
    reduce(mine);
    if (threadIdx.x == 0) total->block = mine.block;
}
#endif
