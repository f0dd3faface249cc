// Reads `count` stages of BYTES once, as products with few tokens do that stay and have a thread fetch ahead: by copies into a ring of
// STAGES, each block its share. Nobody computes, so this is what such products can at best take. Compute capability 9.0 or later.
#include "common/ring.cuh"

extern __shared__ __align__(128) u8 shared_bytes[];

extern "C" __global__ void __launch_bounds__(384, 1) read_ring(const u8 *__restrict__ x, u32 count, u32 *__restrict__ sums)
{
    const u32 stages = shared_address(shared_bytes);
    const Barriers barriers = {stages + STAGES * BYTES};
    const u32 first = static_cast<u32>(static_cast<u64>(count) * blockIdx.x / gridDim.x);
    const u32 end = static_cast<u32>(static_cast<u64>(count) * (blockIdx.x + 1) / gridDim.x);
    barriers.begin(1);
    Turn turn = {0, 0};
    if (threadIdx.x == 0) {
        for (u32 i = first; i < end; ++i, turn.next()) {
            const Barrier full = barriers.full(turn.stage);
            barriers.empty(turn.stage).wait(turn.parity ^ 1);
            full.arrive_expecting(BYTES);
            copy_bytes(stages + turn.stage * BYTES, x + static_cast<u64>(i) * BYTES, BYTES, full);
        }
    } else if (threadIdx.x == 32) {
        u32 sum = 0; // of each stage's first word, so that who launched can see that all came
        for (u32 i = first; i < end; ++i, turn.next()) {
            barriers.full(turn.stage).wait(turn.parity);
            u32 word;
            asm volatile("ld.shared.u32 %0, [%1];" : "=r"(word) : "r"(stages + turn.stage * BYTES) : "memory");
            sum += word;
            barriers.empty(turn.stage).arrive();
        }
        sums[blockIdx.x] = sum;
    }
}
