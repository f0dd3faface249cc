// Kernels that misbehave, one way each.
extern "C" __global__ void illegal(unsigned char *codes) { codes[(1ull << 40) + threadIdx.x] = 1; }

extern "C" __global__ void far(unsigned char *codes) { codes[threadIdx.x] = codes[(1ull << 40) + threadIdx.x]; }

extern "C" __global__ void misaligned(unsigned char *codes) { *reinterpret_cast<volatile int *>(codes + 1) = 1; }

extern "C" __global__ void endless(volatile unsigned char *codes)
{
    while (codes[0] != 0) __nanosleep(1000);
}

extern "C" __global__ void trap(unsigned char *codes) { asm volatile("trap;"); }

extern "C" __global__ void nothing(unsigned char *codes) {}

extern "C" __global__ void overwrite(unsigned char *bytes, unsigned char value) { bytes[0] = value; }
