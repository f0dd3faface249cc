// Error of a quantized tensor in one read of tensor and codes: sums in f64, in a fixed order, so that the same operands give
// the same bits. NaN and Inf are counted and left out; codes are counted wherever they are.
//
// VALUE, LAYOUT, ELEMENT, BITS, SIGNED, SCALE, ASYMMETRIC as in common/; WIDTH as in common/walk.cuh. A TEAM of threads (a part
// of a warp) has a scale block, or every parts-th step of one, UNROLL vectors a thread in flight. STEPS: vectors a thread has
// of each block where all blocks are runs of TEAM * STEPS vectors, else 0.
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
        if (sum.touched) {
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

    // A mean is made of those only that may be the worst; none is where nothing is counted, as the sum is 0 then.
    __device__ __forceinline__ void compare(const Part &part, u32 block, double elements)
    {
        const double counted = elements - part.missing;
        if (part.sum > worst * counted) {
            worst = part.sum / counted;
            rare().worst[threadIdx.x] = block;
        }
    }
};

#if LAYOUT < 3

#if STEPS
// Where a thread's i-th vector of a tile is, from its first on.
__device__ __forceinline__ u32 tile_vector(u32 i) { return (i / STEPS * TEAMS * STEPS + i % STEPS) * TEAM; }

// Tiles of whole blocks, EACH vectors a thread, UNROLL of them in flight. What is taken is loaded again at once, for what comes
// after, of the warp's next tile at the end: memory has work while sums are made. Returns the first block that is left.
__device__ __forceinline__ u32 take_tiles(const Walk &walk, Tally &tally, Seen &seen, u32 warp, u32 warps)
{
    constexpr u32 RUNS = STEPS < UNROLL ? UNROLL / STEPS : 1, EACH = RUNS * STEPS, TILE = TEAMS * RUNS, LENGTH = TEAM * STEPS;
    const u32 lane = threadIdx.x % TEAM, team = threadIdx.x % 32 / TEAM;
    const u32 tiles = static_cast<u32>(walk.count / (static_cast<u64>(TILE) * LENGTH * STEP));
    BlockSum sum;
    sum.clear();
    Loaded loaded[UNROLL];
    Affine affines[RUNS];
    u32 block = kept(warp * TILE + team), first = kept(block * LENGTH + lane); // of blocks, of vectors
    const u32 ahead = kept(warps * TILE); // blocks
    if (warp < tiles) {
#pragma unroll
        for (u32 i = 0; i < UNROLL; ++i) walk.load(loaded[i], first + tile_vector(i));
#pragma unroll
        for (u32 run = 0; run < RUNS; ++run) affines[run] = walk.lookup.of_block(block + run * TEAMS);
    }
#pragma unroll 1
    for (u32 tile = warp; tile < tiles; tile += warps) {
        const bool more = tile + warps < tiles;
        const u32 following = first + ahead * LENGTH;
#pragma unroll
        for (u32 i = 0; i < EACH; ++i) {
            const u32 run = i / STEPS, next = i + UNROLL;
            walk.take(sum, tally, loaded[i % UNROLL], first + tile_vector(i), affines[run]);
            if (next < EACH)
                walk.load(loaded[i % UNROLL], first + tile_vector(next));
            else if (more)
                walk.load(loaded[i % UNROLL], following + tile_vector(next - EACH));
            if (i % STEPS != STEPS - 1) continue;
            if (more) affines[run] = walk.lookup.of_block(block + ahead + run * TEAMS);
            const Part part = seen.close(sum);
            seen.compare(part, block + run * TEAMS, LENGTH * STEP);
        }
        first = following;
        block += ahead;
    }
    return tiles * TILE;
}
#endif

#if WIDTH && !STEPS
// How often all lanes of the warp have UNROLL vectors, of `length` from `at` on and `stride` apart.
__device__ __forceinline__ u32 whole_rounds(u32 length, u32 at, u32 stride)
{
    const u32 left = at < length ? (length - at + stride - 1) / stride : 0;
    return __reduce_min_sync(ALL_LANES, left) / UNROLL;
}

// UNROLL vectors a round. What is taken is loaded again at once, for the next round: memory has work while sums are made.
__device__ __forceinline__ void take_rounds(const Walk &walk, BlockSum &sum, Tally &tally, Cursor cursor, u32 rounds,
                                            const Affine &affine)
{
    Loaded loaded[UNROLL];
    index_t vectors[UNROLL];
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) {
        walk.load(loaded[i], vectors[i] = cursor.vector);
        cursor.advance(walk.lookup.blocks);
    }
#pragma unroll 1
    for (;;) {
        const bool more = --rounds;
#pragma unroll
        for (int i = 0; i < UNROLL; ++i) {
            walk.take(sum, tally, loaded[i], vectors[i], affine);
            if (more) walk.load(loaded[i], vectors[i] = cursor.vector);
            cursor.advance(walk.lookup.blocks);
        }
        if (!more) break;
    }
}
#endif

// Blocks (or parts of them) from `from` on, one a team.
__device__ __forceinline__ void take_blocks(const Walk &walk, Tally &tally, Seen &seen, u32 from, u32 blocks, u32 parts,
                                            u32 warp, u32 warps, Part *shared)
{
    constexpr int IN_FLIGHT = STEPS ? 1 : UNROLL; // few are left by tiles
    constexpr int AT_END = LAYOUT == 1 ? IN_FLIGHT : 1; // runs have many ends; places in a grid take registers
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
#if WIDTH && !STEPS
        // As long as all lanes have vectors.
        const u32 rounds = whole_rounds(extent.length, at, stride);
        if (rounds) take_rounds(walk, sum, tally, Cursor(extent, walk.lookup.blocks, at, stride), rounds, affine);
        step = rounds * UNROLL * stride;
        at += step;
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

    // A row of them, in all lanes of the warp: one look at all of its errors, and at each column where one is unusual.
    __device__ __forceinline__ void take(const Walk &walk, Tally &tally, const Loaded &from, index_t vector)
    {
        float values[STEP], made[STEP], errors[STEP];
        walk.unpack(from, vector, 0.0f, values, made);
        bool unusual = false;
#pragma unroll
        for (int j = 0; j < STEP; ++j) {
            made[j] = affines[j].decode(made[j]);
            errors[j] = made[j] - values[j];
            unusual |= !(fabsf(errors[j]) < tally.limit(affines[j], walk.range)); // NaN is too
        }
        if (__any_sync(ALL_LANES, unusual)) {
#pragma unroll
            for (int j = 0; j < STEP; ++j) take_one(walk, tally, j, values[j], made[j], true, vector);
            return;
        }
#pragma unroll
        for (int j = 0; j < STEP; ++j)
            sums[j].add(tally, values[j], EXACT_DIFFERENCES ? errors[j] : static_cast<double>(made[j]) - values[j]);
    }

    __device__ __forceinline__ void take_one(const Walk &walk, Tally &tally, int j, float value, float made, bool there,
                                             index_t vector)
    {
        const float values[1] = {value}, decoded[1] = {made};
        sums[j].take(tally, values, decoded, there, static_cast<u32>(vector) * STEP + j, affines[j], walk.range);
    }
};

#if WIDTH
// Every parts-th row from `row` on, UNROLL in flight: what is taken is loaded again at once. Returns the first row that is left.
__device__ __forceinline__ u32 take_rows(const Walk &walk, Tally &tally, Columns &mine, u32 row, u32 rows, u32 parts, u32 column)
{
    if (row >= rows) return row;
    const index_t across = walk.lookup.blocks.e2, step = static_cast<index_t>(parts) * across;
    u32 rounds = (rows - row + parts - 1) / parts / UNROLL;
    if (rounds == 0) return row;
    index_t vector = static_cast<index_t>(row) * across + column;
    row += rounds * UNROLL * parts;
    Loaded loaded[UNROLL];
#pragma unroll
    for (int i = 0; i < UNROLL; ++i) walk.load(loaded[i], vector + i * step);
#pragma unroll 1
    for (;;) {
        const bool more = --rounds;
#pragma unroll
        for (int i = 0; i < UNROLL; ++i) {
            mine.take(walk, tally, loaded[i], vector);
            if (more) walk.load(loaded[i], vector + UNROLL * step);
            vector += step;
        }
        if (!more) return row;
    }
}
#endif

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
        u32 row = part;
#if WIDTH
        if (__all_sync(ALL_LANES, there)) row = take_rows(walk, tally, mine, row, rows, parts, column);
#endif
#pragma unroll 1
        for (; row < rows; row += parts) {
            const index_t vector = static_cast<index_t>(row) * across + column;
            float values[STEP] = {}, made[STEP] = {};
            if (there) {
                Loaded loaded;
                walk.load(loaded, vector);
                walk.unpack(loaded, vector, 0.0f, values, made);
            }
#pragma unroll
            for (int j = 0; j < STEP; ++j)
                mine.take_one(walk, tally, j, values[j], there ? mine.affines[j].decode(made[j]) : 0.0f, there, vector);
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
    histogram().flush(counters + 1); // first: what is on its way to memory has the time of the sums
    reduce(mine);
    if (threadIdx.x == 0) rows[blockIdx.x] = mine;
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
