// Values -> scales and codes in one kernel: a team of threads holds a block of the tensor in registers, finds its range, makes
// its scale, and encodes what it holds. Floor: the tensor read once (under two-level scales twice), codes and scales written
// once.
//
// VALUE, ELEMENT, BITS, SCALE, ASYMMETRIC, UNSIGNED, ROUND_UP as in common/; WIDTH neighbours in a load. TEAM threads (a part of
// a warp, or all THREADS) hold a block by HELD loads each; TALL 1: a block is more than one row of a matrix, and a step of the
// team whole rows of the block.
#include "common/values.cuh"
#include "common/affine.cuh"
#include "common/codes.cuh"
#include "common/range.cuh"
#include "common/team.cuh"
#include "quantize/encode_vector.cuh"
#include "quantize/over.cuh"
#include "quantize/pair_range.cuh"

// The scale is the largest magnitude divided by the largest code, rounded to f32: no quotient is half a code beyond.
#define ALL_INSIDE (SCALE == 0 && !ASYMMETRIC && !UNSIGNED)

#if SCALE == 4

// The largest magnitude of the tensor, which the scale above those of its blocks is made of.
extern "C" __global__ void __launch_bounds__(THREADS) find_top(const value_t *__restrict__ x, u32 *__restrict__ top, u64 count)
{
    Range range;
    const u64 thread = static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x;
    take_vectors(range, x, thread, count / WIDTH, static_cast<u64>(gridDim.x) * THREADS);
    publish_warp(range, top, 0);
}

#endif

// Extents of the tensor and of a block count rows, and vectors of a row; of runs there is one row. across: blocks side by side.
extern "C" __global__ void __launch_bounds__(THREADS)
quantize_dynamic(const value_t *__restrict__ x, const float *__restrict__ top, u8 *__restrict__ codes,
                 scale_t *__restrict__ scales, float *__restrict__ zeros, float steps, int exponent, float low, float high,
                 u32 rows, u32 columns, u32 block_rows, u32 block_columns, u32 across, u32 blocks)
{
    const u32 lane = threadIdx.x % TEAM;
#if SCALE == 4
    const u32 group = gridDim.x - 1 - blockIdx.x; // the end is what the cache still holds
#else
    const u32 group = blockIdx.x;
#endif
    const u32 block = group * (THREADS / TEAM) + threadIdx.x / TEAM;
    const Target target = {steps, exponent, low, high};
    begin_encoding();
    const u32 block_row = over(block, across);
    const u32 first_row = block_row * block_rows, first_column = (block - block_row * across) * block_columns;
#if TALL
    const u32 lane_row = over(lane, block_columns);
    const u32 row = first_row + lane_row, column = first_column + lane - lane_row * block_columns;
    const u32 end = block < blocks && column < columns ? min(first_row + block_rows, rows) : 0;
    const u32 row_step = over(TEAM, block_columns), stride = row_step * columns;
    const u32 from = row * columns + column;
#define HOLDS(i) (row + (i) * row_step < end)
#else
    const u32 length = block < blocks ? min(block_columns, columns - first_column) : 0;
    const u32 from = first_row * columns + first_column + lane, stride = TEAM;
#define HOLDS(i) (lane + (i) * TEAM < length)
#endif
    Packet<WIDTH * sizeof(value_t)> packets[HELD];
#pragma unroll
    for (int i = 0; i < HELD; ++i)
        if (HOLDS(i)) packets[i].load(x + static_cast<u64>(from + i * stride) * WIDTH);
    HeldRange held;
#pragma unroll
    for (int i = 0; i < HELD; ++i)
        if (HOLDS(i)) held.take<WIDTH>(packets[i]);
    Range range = held.total();
    reduce_team<TEAM>(range);
#if SCALE == 4
    const float whole = whole_scale(*top, steps);
#else
    const float whole = 1.0f;
#endif
    const Made made = make_scale(range, target, whole);
    if (lane == 0 && block < blocks) {
        scales[block] = made.stored;
#if ASYMMETRIC
        zeros[block] = made.zero;
#endif
    }
    const Affine affine(made.scale, made.zero);
    const u32 flip = code_flip(low);
#pragma unroll
    for (int i = 0; i < HELD; ++i)
        if (HOLDS(i)) {
            const CodePacket packed = encode_vector<ALL_INSIDE>(affine, packets[i], low, high, flip);
            packed.store(codes + static_cast<u64>(from + i * stride) * (WIDTH * BITS / 8));
        }
}
