// fp8 product by wgmma. A_E5M2, B_E5M2 1: the activation's, the weight's codes are e5m2, else e4m3.
#define FLOATING 1
#define ZERO_POINTS 0
#if A_E5M2
#define KIND_A "e5m2"
#else
#define KIND_A "e4m3"
#endif
#if B_E5M2
#define KIND_B "e5m2"
#else
#define KIND_B "e4m3"
#endif
#include "common/wgmma_product.cuh"
