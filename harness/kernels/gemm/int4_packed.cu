// int4 product of operands packed two to a byte, on the int8 tensor cores: half the bytes, the same arithmetic rate.
#define PACKED 1
#include "common/wmma_product.cuh"
