// Sums over the candidates of a round: of one read, what registers hold; over the threads and the parts that share a block,
// always in the same order.
#pragma once

#include "calibration/block_place.cuh"

#define CANDIDATES 16 // of a round
#define TOGETHER 8    // of a read: what registers hold
#define WARPS (THREADS / 32)
#define TEAMS (THREADS / TEAM)

__device__ __forceinline__ void sync_team()
{
#if TEAM > 32
    __syncthreads();
#else
    __syncwarp();
#endif
}

// Sums over the team, always in the same order.
__device__ __forceinline__ void sum_over_team(const float *mine, double *sums)
{
#if TEAM > 32
    __shared__ double warps[WARPS][TOGETHER];
#endif
#pragma unroll
    for (int k = 0; k < TOGETHER; ++k) {
        double sum = mine[k];
#pragma unroll
        for (int distance = (TEAM < 32 ? TEAM : 32) / 2; distance; distance /= 2)
            sum += __shfl_xor_sync(0xFFFFFFFFu, sum, distance);
#if TEAM > 32
        if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32][k] = sum;
#else
        if (threadIdx.x % TEAM == 0) sums[k] = sum;
#endif
    }
#if TEAM > 32
    __syncthreads();
    if (threadIdx.x < TOGETHER) {
        double sum = 0.0;
        for (u32 warp = 0; warp < WARPS; ++warp) sum += warps[warp][threadIdx.x];
        sums[threadIdx.x] = sum;
    }
#endif
    sync_team();
}

#if TEAM == THREADS

// The parts' sums added up, always in the same order, by the last of them.
__device__ __forceinline__ void sum_over_parts(const double *rows, u32 parts, double *sums)
{
    __shared__ double totals[WARPS][2 * CANDIDATES];
    const u32 column = threadIdx.x % (2 * CANDIDATES), first = threadIdx.x / (2 * CANDIDATES);
    double sum = 0.0;
#pragma unroll 4
    for (u32 part = first; part < parts; part += WARPS)
        sum += __ldcg(rows + static_cast<u64>(part) * (2 * CANDIDATES) + column);
    totals[first][column] = sum;
    __syncthreads();
    if (threadIdx.x < 2 * CANDIDATES) {
        sum = 0.0;
        for (u32 warp = 0; warp < WARPS; ++warp) sum += totals[warp][threadIdx.x];
        sums[threadIdx.x] = sum;
    }
    __syncthreads();
}

#endif
