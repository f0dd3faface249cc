// Sums over the threads of a block.
#pragma once

// The sum of `mine` over all threads before this one. All threads call; scratch holds THREADS / 32 values, and is free again
// after the next __syncthreads().
template <typename T> __device__ __forceinline__ T sum_before(T mine, T *scratch)
{
    const unsigned int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    T sum = mine;
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
        const T below = __shfl_up_sync(0xFFFFFFFFu, sum, distance);
        if (lane >= distance) sum += below;
    }
    if (lane == 31) scratch[warp] = sum;
    __syncthreads();
    T before = sum - mine;
    for (unsigned int i = 0; i < warp; ++i) before += scratch[i];
    return before;
}
