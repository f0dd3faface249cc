// int8 product on the tensor cores through WMMA: the second step of the ladder.
#define PACKED 0
#include "common/wmma_product.cuh"
