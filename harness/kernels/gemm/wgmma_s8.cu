// int8 product by wgmma: the fourth step of the ladder. A_UNSIGNED 1: codes of the activation are uint8.
#define FLOATING 0
#define PROMOTED 0
#define BLOCK_SCALES 0
#if A_UNSIGNED
#define KIND_A "u8"
#else
#define KIND_A "s8"
#endif
#define KIND_B "s8"
#include "common/wgmma_product.cuh"
