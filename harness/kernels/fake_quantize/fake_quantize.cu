// Values -> the values that their codes stand for: (q - z) * s in f32, rounded once to the tensor's type.
// Floor: the tensor read once and written once.
//
// VALUE, LAYOUT, ELEMENT, SIGNED, BITS, SCALE, ASYMMETRIC as in common/; WIDTH, UNROLL as in common/walk.cuh.
#include "common/values.cuh"
#include "common/walk.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
fake_quantize(const value_t *__restrict__ x, SCALE_PARAMETERS, value_t *__restrict__ y, u64 count, float low, float high,
              BLOCK_PARAMETERS)
{
    begin_elements();
    begin_encoding();
    const Lookup lookup(SCALE_ARGUMENTS, BLOCK_ARGUMENTS, low, high);
#if WIDTH
    each_values(x, count, [&](u32 vector, Values<WIDTH> &values) {
        lookup.round_trip(vector, values.at);
        values.pack().store(y + static_cast<u64>(vector) * WIDTH);
    });
#endif
    each_element<1>(count, [&](u64 i) { y[i] = from_float(lookup.of_element(i).round_trip(to_float(x[i]), low, high)); });
}
