// Kernels that misbehave, one way each.
extern "C" __global__ void illegal(unsigned char *codes) { codes[(1ull << 40) + threadIdx.x] = 1; }

extern "C" __global__ void endless(volatile unsigned char *codes)
{
    while (codes[0] != 0) __nanosleep(1000);
}

extern "C" __global__ void trap(unsigned char *codes) { asm volatile("trap;"); }

extern "C" __global__ void nothing(unsigned char *codes) {}
