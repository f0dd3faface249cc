// Product of bits by exclusive or and population count on the ordinary cores.
#define BINARY 1
#include "common/word_product.cuh"
