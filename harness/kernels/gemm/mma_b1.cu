// Product of bits by mma.sync.
#define BINARY 1
#define ZERO_POINTS 1
#include "common/mma_product.cuh"
