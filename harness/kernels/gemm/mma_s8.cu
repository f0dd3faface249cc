// int8 product by mma.sync: the third step of the ladder. A_UNSIGNED 1: codes of the activation are uint8.
#define BINARY 0
#if A_UNSIGNED
#define A_TYPE "u8"
#else
#define A_TYPE "s8"
#endif
#include "common/mma_product.cuh"
