// What a team of threads has found together: a team is LANES neighbours of a warp, a power of two, or a whole thread block.
#pragma once

// The team's total, in all of its threads. Partial::exchange(distance) takes in what the lane `distance` away has. All threads
// of the warp must come here, of a larger team all of the thread block, and those once in a kernel.
template <int LANES, typename Partial> __device__ __forceinline__ void reduce_team(Partial &mine)
{
#pragma unroll
    for (int distance = (LANES < 32 ? LANES : 32) / 2; distance; distance /= 2) mine.exchange(distance);
    if constexpr (LANES > 32) {
        __shared__ Partial totals[LANES / 32];
        if (threadIdx.x % 32 == 0) totals[threadIdx.x / 32] = mine;
        __syncthreads();
        mine = totals[threadIdx.x % (LANES / 32)];
#pragma unroll
        for (int distance = LANES / 64; distance; distance /= 2) mine.exchange(distance);
    }
}
