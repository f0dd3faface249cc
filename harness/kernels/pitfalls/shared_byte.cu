// Pitfall: two threads write one byte. A thread makes one code of four bits; its neighbour's code lies in the same byte.
// Right form: quantize/quantize.cu, where a thread owns whole bytes.
#include "common/values.cuh"
#include "pitfalls/code_of.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
quantize(const float *__restrict__ x, const float *__restrict__ scales, const float *__restrict__ zeros, u8 *codes, u64 count,
         float low, float high)
{
    // Neighbours belong to different thread blocks, as where each thread walks through a column of its own.
    const u64 i = static_cast<u64>(threadIdx.x) * gridDim.x + blockIdx.x;
    if (i >= count) return;
    const u32 nibble = code_of(x[i], scales[0], zeros[0], low, high) & 15u;
    if (i % 2 == 0)
        codes[i / 2] = static_cast<u8>(nibble); // wrong: the high nibble, if it is there already, is lost
    else
        codes[i / 2] |= static_cast<u8>(nibble << 4); // wrong: read, changed and written while the neighbour writes
}
