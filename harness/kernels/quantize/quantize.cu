// Values -> codes with given scales. Floor: the tensor read once, its codes written once.
//
// VALUE, LAYOUT, ELEMENT, BITS, SCALE, ASYMMETRIC as in common/; WIDTH, UNROLL as in common/walk.cuh. Where WIDTH is 0 a
// thread owns whole bytes of codes and looks up a scale for each element.
#include "common/values.cuh"
#include "common/walk.cuh"
#include "common/codes.cuh"
#if WIDTH
#include "quantize/encode_vector.cuh"
#endif

extern "C" __global__ void __launch_bounds__(THREADS)
quantize(const value_t *__restrict__ x, SCALE_PARAMETERS, u8 *__restrict__ codes, u64 count, float low, float high,
         BLOCK_PARAMETERS)
{
    begin_encoding();
    const Lookup lookup(SCALE_ARGUMENTS, BLOCK_ARGUMENTS, low, high);
    const u32 flip = code_flip(low);
#if WIDTH
    each_vector<8 * WIDTH * sizeof(value_t)>(x, count, [&](u32 vector, const ValuePacket &packet) {
#if LAYOUT == 3
        Values<WIDTH> values;
        u32 made[WIDTH];
        values.unpack(packet);
        lookup.encode(vector, values.at, made);
        const CodePacket packed = pack_codes(made, flip);
#else
        const CodePacket packed = encode_vector<false>(lookup.at(vector), packet, low, high, flip);
#endif
        packed.store(codes + static_cast<u64>(vector) * (WIDTH * BITS / 8));
    });
#endif
    each_element<UNIT>(count, [&](u64 i) {
        u32 made[UNIT];
#pragma unroll
        for (int j = 0; j < UNIT; ++j)
            made[j] = i + j < count ? lookup.of_element(i + j).encode(to_float(x[i + j]), low, high) : RAW;
        store_unit(codes + i / UNIT * UNIT_BYTES, made, static_cast<u32>(count - i < UNIT ? count - i : UNIT), flip);
    });
}
