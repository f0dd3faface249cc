// int8 product by DP4A, four multiply-adds an instruction on the ordinary cores: the first step of the ladder.
#define BINARY 0
#include "common/word_product.cuh"
