// Codes -> values: (q - z) * s in f32, rounded once to the tensor's type. Floor: codes read once, values written once.
//
// VALUE, LAYOUT, ELEMENT, BITS, SIGNED, SCALE, ASYMMETRIC as in common/; WIDTH, UNROLL as in common/walk.cuh.
#include "common/values.cuh"
#include "common/walk.cuh"
#include "common/codes.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
dequantize(const u8 *__restrict__ codes, SCALE_PARAMETERS, value_t *__restrict__ x, u64 count, BLOCK_PARAMETERS)
{
    begin_elements();
    const Lookup lookup(SCALE_ARGUMENTS, BLOCK_ARGUMENTS);
#if WIDTH
    each_vector<WIDTH * BITS>(codes, count, [&](u32 vector, const Packet<(WIDTH * BITS + 7) / 8> &packet) {
        Values<WIDTH> values;
        unpack_codes(packet, values.at, vector * (WIDTH * BITS) % 8);
        lookup.decode(vector, values.at);
        values.pack().store(x + static_cast<u64>(vector) * WIDTH);
    });
#endif
    each_element<1>(count, [&](u64 i) { x[i] = from_float(lookup.of_element(i).decode(stored_value(codes, i))); });
}
