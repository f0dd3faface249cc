// Whether two arrays of `bytes` bytes differ: then `differs` becomes 1. In words of 16 bytes where WIDE (both addresses are
// multiples of it), the rest byte by byte.
#ifndef WIDE
#define WIDE 1
#endif

extern "C" __global__ void __launch_bounds__(256)
differ(const unsigned char *__restrict__ one, const unsigned char *__restrict__ other, unsigned long long bytes,
       unsigned int *differs)
{
    const unsigned long long stride = static_cast<unsigned long long>(gridDim.x) * blockDim.x;
    const unsigned long long thread = static_cast<unsigned long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    bool found = false;
    unsigned long long begin = 0;
#if WIDE
    const uint4 *wide_one = reinterpret_cast<const uint4 *>(one), *wide_other = reinterpret_cast<const uint4 *>(other);
#pragma unroll 2
    for (unsigned long long i = thread; i < bytes / 16; i += stride) {
        const uint4 a = __ldg(wide_one + i), b = __ldg(wide_other + i);
        found |= (a.x ^ b.x | a.y ^ b.y | a.z ^ b.z | a.w ^ b.w) != 0;
    }
    begin = bytes / 16 * 16;
#endif
#pragma unroll 1
    for (unsigned long long i = begin + thread; i < bytes; i += stride) found |= one[i] != other[i];
    if (found) *differs = 1;
}
