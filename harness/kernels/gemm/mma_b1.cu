// Product of bits by mma.sync.
#define BITS 1
#define ZERO_POINTS 1
#include "common/mma_product.cuh"
