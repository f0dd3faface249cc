// Reads `count` vectors of 16 bytes once: the ceiling of kernels that read and write little. Every 32-bit word enters a sum
// (modulo 2^32), one a warp, so that no load can be left out and the host can see that none was.
#define UNROLL 4

__device__ __forceinline__ unsigned int sum_of(uint4 v) { return v.x + v.y + v.z + v.w; }

extern "C" __global__ void __launch_bounds__(256, 8)
read(const uint4 *__restrict__ x, unsigned long long count, unsigned int *__restrict__ sums)
{
    const unsigned long long stride = static_cast<unsigned long long>(gridDim.x) * blockDim.x;
    const unsigned long long thread = static_cast<unsigned long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    unsigned int sum = 0;
    unsigned long long i = thread;
    for (; i + (UNROLL - 1) * stride < count; i += UNROLL * stride) {
        uint4 v[UNROLL];
#pragma unroll
        for (int j = 0; j < UNROLL; ++j) v[j] = __ldg(x + i + j * stride);
#pragma unroll
        for (int j = 0; j < UNROLL; ++j) sum += sum_of(v[j]);
    }
    for (; i < count; i += stride) sum += sum_of(__ldg(x + i));
    sum = __reduce_add_sync(0xFFFFFFFFu, sum);
    if ((threadIdx.x & 31) == 0) sums[thread >> 5] = sum;
}
