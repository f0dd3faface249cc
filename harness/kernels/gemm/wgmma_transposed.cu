// int8 activations by int8 or int4 weights, or bits by bits, the weight's rows first: few tokens, and int4 unpacked in registers.
// B_UNSIGNED 1: codes of the activation are uint8; B_PACKED 1: int4, two a byte, which `unpack` makes int8 of beforehand.
#ifndef GROUPED
#define GROUPED 0
#endif
#if BINARY
#define ZERO_POINTS 1
#define KIND_A "b1"
#define KIND_B "b1"
#else
#define KIND_A "s8"
#if B_UNSIGNED
#define KIND_B "u8"
#else
#define KIND_B "s8"
#endif
#endif
#define COLUMN_SCALES (!GROUPED)
#include "common/transposed_product.cuh"

#if B_PACKED
#include "common/unpack_nibbles.cuh"
#endif
