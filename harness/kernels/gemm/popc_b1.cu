// Product of bits by exclusive or and population count on the ordinary cores.
#define BITS 1
#include "common/word_product.cuh"
