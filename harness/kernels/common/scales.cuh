// Scales as they are stored. SCALE: 0 f32, 1 f16, 2 bf16, 3 e8m0 (OCP MX: a power of two), 4 e4m3 under one f32 a tensor
// (NVFP4). ASYMMETRIC: 1 where blocks have zero points.
#pragma once

#if SCALE == 0
typedef float scale_t;
#elif SCALE == 3 || SCALE == 4
typedef u8 scale_t;
#else
typedef u16 scale_t;
#endif

struct Scales {
    const scale_t *__restrict__ stored;
    const float *__restrict__ zeros;
    const float *__restrict__ whole; // the tensor's scale, above those of the blocks

    __device__ __forceinline__ float of(u32 block) const
    {
        const scale_t raw = __ldg(stored + block);
#if SCALE == 0
        return raw;
#elif SCALE == 1
        float wide;
        asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(raw));
        return wide;
#elif SCALE == 2
        return __uint_as_float(static_cast<u32>(raw) << 16);
#elif SCALE == 3
        return __uint_as_float(raw ? static_cast<u32>(raw) << 23 : 0x00400000u);
#else
        const float block_scale = __uint_as_float(static_cast<u32>(raw & 127) << 20) * __uint_as_float(247u << 23);
        return block_scale * __ldg(whole);
#endif
    }

    __device__ __forceinline__ float zero_of(u32 block) const
    {
#if ASYMMETRIC
        return __ldg(zeros + block);
#else
        return 0.0f;
#endif
    }
};

#define SCALE_PARAMETERS const scale_t *__restrict__ stored, const float *__restrict__ zeros, const float *__restrict__ whole
#define SCALE_ARGUMENTS {stored, zeros, whole}
