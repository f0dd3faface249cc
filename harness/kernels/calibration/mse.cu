// Values -> scales of least squared error. ASYMMETRIC: with zero points, in mse_affine.cuh; here symmetric. Every candidate is
// tried: a read of the block sums the squared errors of TOGETHER scales at once. What bounds it is arithmetic, about a dozen
// instructions an element and candidate.
//
// Scales are parts t of the one that minmax gives, at most 1. Round 0 falls from there to 1e-6 of it; the error of what is
// clipped alone only grows as t falls, so where that exceeds the least error known, all that is below is left out. Then
// `points` scales, evenly in the logarithm, over what is left; the neighbourhoods of the best three; twice that of the best.
// Power-of-two scales: all of them.
//
// Macros as in minmax.cu, and all of common/element.cuh. Blocks with several parts have one round a launch.
#include "calibration/minmax.cu"

#if ASYMMETRIC
#include "calibration/mse_affine.cuh"
#else

#include "calibration/mse_sums.cuh"
#include "calibration/nearest_scale.cuh"
#include "common/affine.cuh"

#define COARSE_RATIO 0.4
#define BEST 3
#define NARROWINGS 2

// What is known of one block.
struct Search {
    double floor; // t below it clip too much
    double t, error, reach; // the best, and how far from it the next tried ones are
    double near[BEST], near_error[BEST]; // the best of the evenly spread ones
};

struct Rounds {
    u32 points; // a multiple of CANDIDATES

    __device__ __forceinline__ u32 narrowing() const { return 1 + points / CANDIDATES; } // the first round of those

    // Part t of candidate k.
    __device__ __forceinline__ double part(const Search &search, u32 round, u32 k) const
    {
#if SCALE == 3
        return exp2(-static_cast<double>(round * CANDIDATES + k));
#else
        if (round == 0) return exp2(log2(COARSE_RATIO) * k);
        if (round < narrowing()) return exp2(log2(search.floor) * ((round - 1) * CANDIDATES + k + 1) / points);
        const u32 number = round - narrowing();
        const double centre = number < BEST ? search.near[number] : search.t;
        const double reach = number < BEST ? centre * step(search) : search.reach;
        return fmin(fmax(centre + reach * (2.0 * k / (CANDIDATES - 1) - 1.0), search.floor * 0.5), 1.0);
#endif
    }

    // What a round found: the parts t of its candidates, and their sums.
    __device__ __forceinline__ void accept(Search &search, u32 round, const double *parts, const double *errors,
                                           const double *clipped) const
    {
        if (round == 0) {
            search.error = errors[0];
            search.t = 1.0;
            for (int i = 0; i < BEST; ++i) {
                search.near[i] = 1.0;
                search.near_error[i] = errors[0];
            }
        }
        for (u32 k = 0; k < CANDIDATES; ++k) {
            if (round && round < narrowing()) insert(search, parts[k], errors[k]);
            if (errors[k] < search.error) {
                search.error = errors[k];
                search.t = parts[k];
            }
        }
        if (round == 0) {
            search.floor = parts[CANDIDATES - 1];
            for (u32 k = CANDIDATES; k-- > 0;)
                if (clipped[k] > search.error) search.floor = parts[k];
        }
        // The next rounds look between the neighbours of the best.
        const u32 last_near = narrowing() + BEST - 1;
        if (round == last_near) search.reach = search.t * step(search) * 2.0 / (CANDIDATES - 1);
        if (round > last_near) search.reach *= 2.0 / (CANDIDATES - 1);
    }

private:
    // From one evenly spread scale to the next larger, less 1.
    __device__ __forceinline__ double step(const Search &search) const { return exp2(-log2(search.floor) / points) - 1.0; }

    __device__ __forceinline__ static void insert(Search &search, double t, double error)
    {
        for (int i = 0; i < BEST; ++i)
            if (error < search.near_error[i]) {
                const double worse = search.near_error[i], worse_t = search.near[i];
                search.near_error[i] = error;
                search.near[i] = t;
                error = worse;
                t = worse_t;
            }
    }
};

// Sums of squared errors in units of the largest scale, of one thread; of what lies beyond the codes where CLIPPING.
template <bool CLIPPING> struct Scorer {
    float scales[TOGETHER];
    float inverse_unit, low, high;
    float errors[TOGETHER], clipped[CLIPPING ? TOGETHER : 1];

    __device__ __forceinline__ void take(float x)
    {
        const float one[1] = {x};
        take(one);
    }
    template <int N> __device__ __forceinline__ void take(const float (&x)[N])
    {
        float kept[N];
#pragma unroll
        for (int i = 0; i < N; ++i) kept[i] = UNSIGNED ? fmaxf(x[i], 0.0f) : x[i];
#pragma unroll
        for (int k = 0; k < TOGETHER; ++k) {
            const Affine affine(scales[k], 0.0f);
            float made[N];
#pragma unroll
            for (int i = 0; i < N; ++i) made[i] = kept[i];
            affine.round_trip(made, low, high);
#pragma unroll
            for (int i = 0; i < N; ++i) {
                const float error = (kept[i] - made[i]) * inverse_unit;
                errors[k] = fmaf(error, error, errors[k]);
                if (CLIPPING && (kept[i] > high * scales[k] || kept[i] < low * scales[k]))
                    clipped[k] = fmaf(error, error, clipped[k]);
            }
        }
    }
};

// What a team has in common.
struct Common {
    Search search;
    double parts[CANDIDATES]; // t of the round's candidates
    float scales[CANDIDATES];
    double sums[2 * CANDIDATES]; // their errors, then what is clipped of those
};

template <bool CLIPPING>
__device__ __forceinline__ void score(const value_t *x, const BlockPlace &place, const Team &team, u32 parts, Common &common,
                                      float unit, float low, float high)
{
#pragma unroll 1
    for (int first = 0; first < CANDIDATES; first += TOGETHER) {
        Scorer<CLIPPING> scorer;
        scorer.inverse_unit = __fdiv_rn(1.0f, unit);
        scorer.low = low;
        scorer.high = high;
#pragma unroll
        for (int k = 0; k < TOGETHER; ++k) {
            scorer.scales[k] = common.scales[first + k];
            scorer.errors[k] = 0.0f;
            if (CLIPPING) scorer.clipped[k] = 0.0f;
        }
        if (team.present)
            place.take_singly(scorer, x, static_cast<u64>(team.part) * TEAM + team.lane, static_cast<u64>(parts) * TEAM);
        sum_over_team(scorer.errors, common.sums + first);
        if (CLIPPING) sum_over_team(scorer.clipped, common.sums + CANDIDATES + first);
    }
}

// Rounds first_round … last_round - 1 of all_rounds. rows: 2 * CANDIDATES sums for each part of each block, where there are
// several; searches: kept from launch to launch.
extern "C" __global__ void __launch_bounds__(THREADS)
search_scale(const value_t *__restrict__ x, const Range *__restrict__ found, double *__restrict__ rows,
             Search *__restrict__ searches, u32 *__restrict__ tickets, CALIBRATED_PARAMETERS, u64 count, u32 blocks, u32 parts,
             u32 points, u32 first_round, u32 last_round, u32 all_rounds, BLOCK_PARAMETERS)
{
    __shared__ Common teams[TEAMS];
    begin_elements();
    begin_encoding();
    const Team team(blocks, parts);
    const Blocks geometry = BLOCK_ARGUMENTS;
    const BlockPlace place(geometry, count, team.block);
    const Calibrated out = CALIBRATED_ARGUMENTS;
    const Made limit = make_scale(found[team.block], out.target, 1.0f);
    const Rounds rounds = {points};
    Common &common = teams[threadIdx.x / TEAM];
    if (team.lane == 0 && first_round) common.search = searches[team.block];
    sync_team();
    for (u32 round = first_round; round < last_round; ++round) {
        for (u32 k = team.lane; k < CANDIDATES; k += TEAM) {
            common.parts[k] = rounds.part(common.search, round, k);
            common.scales[k] = nearest_scale(common.parts[k] * limit.scale, limit).scale;
        }
        sync_team();
        if (round == 0)
            score<true>(x, place, team, parts, common, limit.scale, low, high);
        else
            score<false>(x, place, team, parts, common, limit.scale, low, high);
#if TEAM == THREADS
        if (parts > 1) {
            double *own = rows + static_cast<u64>(team.block) * parts * (2 * CANDIDATES);
            if (threadIdx.x < 2 * CANDIDATES) own[team.part * (2 * CANDIDATES) + threadIdx.x] = common.sums[threadIdx.x];
            if (!arrived_last(tickets + team.block, parts)) return;
            sum_over_parts(own, parts, common.sums);
        }
#endif
        if (team.lane == 0) rounds.accept(common.search, round, common.parts, common.sums, common.sums + CANDIDATES);
        sync_team();
    }
    if (team.lane || !team.present) return;
    if (last_round < all_rounds)
        searches[team.block] = common.search;
    else
        out.store(team.block, nearest_scale(common.search.t * limit.scale, limit));
}

#endif
