// CUDA kernels as C++ on a host: a thread of the block is a thread, and what the device does for it is made after the PTX ISA. For
// sources that host_cuda.py has put into C++. It shows wrong places, counts and phases; not races that a host does not show, nor
// speed.
#pragma once
#include <algorithm>
#include <barrier>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using std::max;
using std::min;
#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static // blocks run one after the other
#define LINE_BYTES 128
#define ATOM_BYTES 1024

typedef unsigned u32_;
struct Index { u32_ x, y, z; };
inline thread_local Index threadIdx, blockIdx;
inline Index gridDim;
struct alignas(16) uint4 { u32_ x, y, z, w; };
struct alignas(8) uint2 { u32_ x, y; };

[[noreturn]] inline void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(3);
}

template <typename To, typename From> To same_bits(From from)
{
    To to;
    static_assert(sizeof to == sizeof from);
    memcpy(&to, &from, sizeof to);
    return to;
}
inline float __uint_as_float(u32_ bits) { return same_bits<float>(bits); }
inline u32_ __float_as_uint(float value) { return same_bits<u32_>(value); }
inline u32_ __byte_perm(u32_ a, u32_ b, u32_ selector)
{
    const unsigned long long both = static_cast<unsigned long long>(b) << 32 | a;
    u32_ made = 0;
    for (int i = 0; i < 4; ++i) made |= static_cast<u32_>(both >> (selector >> 4 * i & 7) * 8 & 0xFF) << 8 * i;
    return made;
}
inline u32_ __funnelshift_r(u32_ low, u32_ high, u32_ shift) { return shift ? low >> shift | high << (32 - shift) : low; }
template <typename T> T __ldg(const T *from) { return *from; }
template <typename T> T __shfl_sync(u32_, T value, int) { return value; } // of what is the same all through a warp

// 16-bit values: 10 bits of mantissa and a bias of 15, or 7 and 127.
struct Kind { int mantissa, bias; };
constexpr Kind HALF = {10, 15}, BRAIN = {7, 127};
inline double value_of(u32_ bits, Kind kind)
{
    const int e = bits >> kind.mantissa & (2 * kind.bias + 1), m = bits & ((1 << kind.mantissa) - 1);
    double made = e == 0 ? ldexp(m, 1 - kind.bias - kind.mantissa) : ldexp((1 << kind.mantissa) + m, e - kind.bias - kind.mantissa);
    if (e == 2 * kind.bias + 1) made = m ? NAN : INFINITY;
    return bits & 0x8000 ? -made : made;
}
inline u32_ rounded_to(double value, Kind kind) // nearest, ties to even
{
    const u32_ sign = std::signbit(value) ? 0x8000 : 0, infinite = (2 * kind.bias + 1) << kind.mantissa;
    if (std::isnan(value)) return sign | infinite | 1;
    if (value == 0 || std::isinf(value)) return sign | (value == 0 ? 0 : infinite);
    int e;
    frexp(value, &e);
    e = max(e - 1, 1 - kind.bias);
    const u32_ units = static_cast<u32_>(min(nearbyint(ldexp(fabs(value), kind.mantissa - e)), 1e6)); // carries into the exponent
    return sign | min(units + (static_cast<u32_>(e + kind.bias - 1) << kind.mantissa), infinite);
}
inline u32_ pair_of(double low, double high, Kind kind) { return rounded_to(low, kind) | rounded_to(high, kind) << 16; }
inline u32_ fused_pair(u32_ a, u32_ b, u32_ c, Kind kind)
{
    const auto half = [&](u32_ pair, int i) { return value_of(pair >> 16 * i & 0xFFFF, kind); };
    return pair_of(half(a, 0) * half(b, 0) + half(c, 0), half(a, 1) * half(b, 1) + half(c, 1), kind);
}

// Barriers of the block by number, and of its warps.
typedef std::barrier<> Meeting;
inline std::map<int, std::unique_ptr<Meeting>> MEETINGS;
inline std::vector<std::unique_ptr<Meeting>> WARPS_MEET;
inline std::mutex ALL;
inline Meeting &meeting(int number, int threads)
{
    const std::lock_guard guard(ALL);
    auto &found = MEETINGS[number];
    if (!found) found = std::make_unique<Meeting>(threads);
    return *found;
}
inline int BLOCK;
inline void __syncthreads() { meeting(0, BLOCK).arrive_and_wait(); }
inline void __syncwarp() { WARPS_MEET[threadIdx.x / 32]->arrive_and_wait(); }
inline void __threadfence() {}
inline void __stcg(float *to, float value) { *to = value; }
inline float __ldcg(const float *from) { return *from; }
inline u32_ atomicAdd(u32_ *to, u32_ value)
{
    const std::lock_guard guard(ALL);
    return std::exchange(*to, *to + value);
}

// Shared memory, its first byte at address 0; mbarriers are kept beside it.
inline unsigned char *shared_bytes;
inline size_t SHARED_BYTES;
inline u32_ shared_address(const void *of) { return static_cast<u32_>(static_cast<const unsigned char *>(of) - shared_bytes); }
struct Phase { int count = 0, pending = 0; long bytes = 0; u32_ number = 0; };
inline std::map<u32_, Phase> PHASES;
inline std::mutex PHASES_LOCK;
inline std::condition_variable TURNED;
struct Barrier {
    u32_ address;

    void init(u32_ count) const
    {
        if (address % 8 || address + 8 > SHARED_BYTES) fail("an mbarrier's place");
        const std::lock_guard guard(PHASES_LOCK);
        PHASES[address] = {static_cast<int>(count), static_cast<int>(count)};
    }
    void change(int arrivals, long bytes) const
    {
        const std::lock_guard guard(PHASES_LOCK);
        if (!PHASES.count(address)) fail("no mbarrier there");
        Phase &phase = PHASES[address];
        phase.pending -= arrivals;
        phase.bytes += bytes;
        if (phase.pending < 0) fail("more arrivals than an mbarrier counts");
        if (phase.pending || phase.bytes) return;
        ++phase.number;
        phase.pending = phase.count;
        TURNED.notify_all();
    }
    void arrive() const { change(1, 0); }
    void arrive_expecting(u32_ bytes) const { change(1, bytes); }
    void wait(u32_ parity) const
    {
        std::unique_lock guard(PHASES_LOCK);
        TURNED.wait(guard, [&] { return (PHASES[address].number & 1) != parity; });
    }
};
inline void publish_barriers() {}
inline void bulk_copy(u32_ to, const void *from, u32_ bytes, Barrier barrier)
{
    if (bytes % 16 || to % 16 || reinterpret_cast<size_t>(from) % 16 || to + bytes > SHARED_BYTES) fail("a copy's place");
    memcpy(shared_bytes + to, from, bytes);
    barrier.change(0, -static_cast<long>(bytes));
}

// Boxes of 128 bytes by `box` rows, with the 128-byte swizzle.
struct TensorMap { const unsigned char *bytes; u32_ rows, pitch, box; };
inline u32_ swizzled(u32_ address) { return address ^ (address >> 7 & 7) << 4; }
inline void prefetch_map(const TensorMap *) {}
inline void copy_box(u32_ to, const TensorMap *map, u32_ byte, u32_ row, Barrier barrier)
{
    if (to % ATOM_BYTES || to + map->box * LINE_BYTES > SHARED_BYTES) fail("a box's place");
    for (u32_ r = 0; r < map->box; ++r)
        for (u32_ b = 0; b < LINE_BYTES; ++b) {
            const bool inside = row + r < map->rows && byte + b < map->pitch;
            const size_t from = static_cast<size_t>(row + r) * map->pitch + byte + b;
            shared_bytes[swizzled(to + r * LINE_BYTES + b)] = inside ? map->bytes[from] : 0;
        }
    barrier.change(0, -static_cast<long>(map->box * LINE_BYTES));
}
inline unsigned long long descriptor(u32_ address)
{
    return (address & 0x3FFFF) >> 4 | 1ull << 16 | static_cast<unsigned long long>(ATOM_BYTES >> 4) << 32 | 1ull << 62;
}

// A warp's sixteen rows of a product m16nNk16 or m64nNk16: `column` gives a column's element along k.
struct Fragment { u32_ rows[4], columns[2]; };
inline std::vector<Fragment> FRAGMENTS;
template <int N, typename Column> void multiply_warp(float (&sums)[N], const u32_ (&rows)[4], bool adds, Kind kind, Column column)
{
    const u32_ lane = threadIdx.x % 32;
    Fragment *warp = FRAGMENTS.data() + threadIdx.x / 32 * 32;
    memcpy(warp[lane].rows, rows, sizeof rows);
    __syncwarp();
    float made[N];
    for (int i = 0; i < N; ++i) {
        const int row = lane / 4 + 8 * (i / 2 % 2), at = i / 4 * 8 + lane % 4 * 2 + i % 2;
        double sum = adds ? sums[i] : 0;
        for (int k = 0; k < 16; ++k) {
            const u32_ pair = warp[row % 8 * 4 + k % 8 / 2].rows[row / 8 + 2 * (k / 8)];
            sum += value_of(pair >> 16 * (k % 2) & 0xFFFF, kind) * value_of(column(at, k), kind);
        }
        made[i] = static_cast<float>(sum);
    }
    __syncwarp();
    memcpy(sums, made, sizeof made);
}
inline void multiply_16816(float (&sums)[4], const u32_ (&rows)[4], u32_ first, u32_ second, Kind kind)
{
    Fragment *warp = FRAGMENTS.data() + threadIdx.x / 32 * 32;
    warp[threadIdx.x % 32].columns[0] = first;
    warp[threadIdx.x % 32].columns[1] = second;
    multiply_warp(sums, rows, true, kind, [&](int at, int k) {
        return warp[at * 4 + k % 8 / 2].columns[k / 8] >> 16 * (k % 2) & 0xFFFF;
    });
}
inline void open_products() {}
inline void close_products() {}
template <int> void wait_products() {}
template <typename T, int N> void pin(T (&)[N]) {}
template <int> void give_registers_back() {}
template <int> void take_registers() {}
template <int N> void multiply(float (&sums)[N], const u32_ (&rows)[4], unsigned long long columns, u32_ adds)
{
    const u32_ start = (columns & 0x3FFF) << 4, stride = (columns >> 32 & 0x3FFF) << 4;
    multiply_warp(sums, rows, adds, BF16 ? BRAIN : HALF, [&](int at, int k) {
        const u32_ address = swizzled(start + at / 8 * stride + at % 8 * LINE_BYTES + k * 2);
        return static_cast<u32_>(shared_bytes[address] | shared_bytes[address + 1] << 8);
    });
}

// Runs `kernel` for every thread of every block, blocks one after the other; shared memory is full of NaN at first.
template <typename Kernel> void launch(int grid, int block, size_t bytes, Kernel kernel)
{
    BLOCK = block;
    SHARED_BYTES = bytes;
    gridDim = {static_cast<u32_>(grid), 1, 1};
    for (int each = 0; each < grid; ++each) {
        shared_bytes = static_cast<unsigned char *>(aligned_alloc(ATOM_BYTES, (bytes + ATOM_BYTES - 1) / ATOM_BYTES * ATOM_BYTES));
        memset(shared_bytes, 0xFF, bytes);
        PHASES.clear();
        MEETINGS.clear();
        WARPS_MEET.clear();
        FRAGMENTS.assign(block, {});
        for (int warp = 0; warp < block / 32; ++warp) WARPS_MEET.push_back(std::make_unique<Meeting>(32));
        std::vector<std::thread> threads;
        for (int thread = 0; thread < block; ++thread)
            threads.emplace_back([=] {
                threadIdx = {static_cast<u32_>(thread), 0, 0};
                blockIdx = {static_cast<u32_>(each), 0, 0};
                kernel();
            });
        for (std::thread &thread : threads) thread.join();
        free(shared_bytes);
    }
}

// A file's bytes at an address that is a multiple of 256.
template <typename T> T *read_file(const std::string &path)
{
    FILE *file = fopen(path.c_str(), "rb");
    if (!file) fail("a missing file");
    fseek(file, 0, SEEK_END);
    const size_t size = ftell(file);
    rewind(file);
    void *made = aligned_alloc(256, (size + 256) / 256 * 256);
    if (fread(made, 1, size, file) != size) fail("a short file");
    fclose(file);
    return static_cast<T *>(made);
}
