// Values -> scales and zero points of least squared error. Every candidate scale is tried, with the zero point that is best
// for it.
//
// For one scale s let the codes reach from b to b + w, w = steps * s, counted from the middle between two zero points: with
// the next higher zero point the error is larger by 2 s (sum (x - b - w)+ - sum (b - x)+), b = s (low - z - 1/2), for an
// element's error is convex in where the codes end (its code, the nearest integer, stays the same up to there). The best zero
// point is therefore rint(low - b / s) at the b where both sums balance, which falls as w rises, as b + w rises: the balance
// of two widths brackets those between. Where nothing need be clipped any b does, and the middle is taken.
//
// Round 0 takes scales from the largest to 1e-6 of it, their b by halving. An error is at most a quarter of s squared an
// element beyond what is clipped: where it exceeds the least error known by more, all smaller scales are left out. The curve:
// b at CANDIDATES widths over what is left, by halving. Then scales as in mse.cu, their b by a step of Newton from the
// curve, within its bracket. One step may leave b on the wrong side of a tie between two zero points: the last round tries
// those next to the best one. Power-of-two scales: all of them, b by halving.
//
// Each step is a read: of blocks with several parts a launch. Scales are parts t of the largest, places are counted in it.
#pragma once

#include "calibration/mse_sums.cuh"
#include "calibration/nearest_scale.cuh"
#include "common/affine.cuh"

#define COARSE_RATIO 0.4 // from one coarse scale to the next
#define BEST 3
#define NARROWINGS 3
#define ROUNDING_ROOM 1.05 // of the least error, for a zero point that is not quite the best

// What a step does: halves what brackets a balance, weighs both sides for a step of Newton, or sums up squared errors.
enum Kind { HALVE, WEIGH, SCORE };

struct Step {
    Kind kind;
    bool begins; // the first halving
    bool curve;  // finds the curve's places
    u32 round;   // whose candidates

    __device__ __forceinline__ Step(u32 number, u32 halvings) : kind(SCORE), begins(false), curve(false), round(0)
    {
#if SCALE == 3
        round = number / (halvings + 1);
        number %= halvings + 1;
        kind = number < halvings ? HALVE : SCORE;
        begins = number == 0;
#else
        kind = number == halvings ? SCORE : HALVE;
        begins = number == 0 || number == halvings + 1;
        curve = number > halvings;
        if (number <= 2 * halvings) return;
        number -= 2 * halvings + 1;
        curve = begins = false;
        round = 1 + number / 2;
        kind = number % 2 ? SCORE : WEIGH;
#endif
    }
};

// What is known of one block. Places and widths in units of the largest scale.
struct Search {
    double least, most; // of the block, 0 among them
    double minmax;      // t of the observed range
    double floor;       // t below it clip too much
    double t, zero, error, reach; // the best, and how far from it the next tried ones are
    double near[BEST], near_error[BEST]; // the best of the evenly spread ones
    double curve[CANDIDATES];
    double below[CANDIDATES], above[CANDIDATES], place[CANDIDATES]; // of the round's candidates: the bracket, and b

    __device__ __forceinline__ double widest() const { return fmax(most - least, 1e-30); }
    // Where nothing is clipped.
    __device__ __forceinline__ double middle(double width) const { return 0.5 * (least + most - width); }
};

struct Rounds {
    u32 points, halvings; // points: a multiple of CANDIDATES; the first is 1, the largest scale, which may be the best
    double steps;         // of the codes

    __device__ __forceinline__ u32 narrowing() const { return 1 + points / CANDIDATES; } // the first round of those
    __device__ __forceinline__ bool is_last(u32 round) const { return round == narrowing() + BEST + NARROWINGS; }

    // Part t of candidate k.
    __device__ __forceinline__ double part(const Search &search, const Step &step, u32 k) const
    {
#if SCALE == 3
        return exp2(-static_cast<double>(step.round * CANDIDATES + k));
#else
        if (step.curve) return curve_part(search, k);
        if (step.round == 0) return k ? exp2(log2(COARSE_RATIO) * k) : search.minmax;
        if (step.round < narrowing())
            return exp2(log2(search.floor) * ((step.round - 1) * CANDIDATES + k) / (points - 1));
        const u32 number = step.round - narrowing();
        const double centre = number < BEST ? search.near[number] : search.t;
        const double reach = number < BEST ? centre * spread(search) : search.reach;
        const double off = is_last(step.round) ? static_cast<double>(k / 3) / 2 - 1.0 : 2.0 * k / (CANDIDATES - 1) - 1.0;
        return fmin(fmax(centre + reach * off, search.floor * 0.5), 1.0);
#endif
    }

    // Zero point of candidate k, whose scale is stored as `scale`.
    __device__ __forceinline__ double zero(const Search &search, const Step &step, u32 k, double low, double unit,
                                           double scale) const
    {
#if SCALE != 3
        if (is_last(step.round)) return search.zero + k % 3 - 1.0;
#endif
        return rint(low - search.place[k] * unit / scale);
    }

    // The bracket of candidate k's b, and where the step looks.
    __device__ __forceinline__ void place(Search &search, const Step &step, u32 k, double t) const
    {
        const double width = t * steps, middle = search.middle(width);
        if (step.kind == HALVE) {
            if (step.begins) {
                search.below[k] = fmin(search.least, middle);
                search.above[k] = fmax(search.most - width, middle);
                if (width >= search.widest()) search.below[k] = search.above[k] = middle;
            }
            search.place[k] = 0.5 * (search.below[k] + search.above[k]);
        } else if (step.kind == WEIGH) {
            bracket(search, k, t, width);
        }
    }

    // What a step of halving or weighing found: what is above the codes' reach less what is below, and of how many.
    __device__ __forceinline__ void move(Search &search, const Step &step, u32 k, double balance, double count) const
    {
        if (step.kind == HALVE) {
            if (balance > 0.0)
                search.below[k] = search.place[k];
            else
                search.above[k] = search.place[k];
            search.place[k] = 0.5 * (search.below[k] + search.above[k]);
            if (step.curve) search.curve[k] = search.place[k];
        } else {
            search.place[k] = fmin(fmax(search.place[k] + balance / fmax(count, 1.0), search.below[k]), search.above[k]);
        }
    }

    // What a round found: its candidates, and their errors in units of the largest scale. elements: of the block.
    __device__ __forceinline__ void accept(Search &search, u32 round, const double *parts, const float *zeros,
                                           const double *errors, double elements) const
    {
        if (round == 0) {
            search.error = errors[0];
            search.t = parts[0];
            search.zero = zeros[0];
            for (int i = 0; i < BEST; ++i) {
                search.near[i] = parts[0];
                search.near_error[i] = errors[0];
            }
        }
        for (u32 k = 0; k < CANDIDATES; ++k) {
            if (round && round < narrowing()) insert(search, parts[k], errors[k]);
            if (errors[k] < search.error) {
                search.error = errors[k];
                search.t = parts[k];
                search.zero = zeros[k];
            }
        }
#if SCALE != 3
        if (round == 0) {
            search.floor = parts[CANDIDATES - 1];
            // A narrower range lies within one of these codes that may have to begin a code lower.
            for (u32 k = CANDIDATES; k-- > 1;)
                if (errors[k] - 0.25 * elements * parts[k] * parts[k] > ROUNDING_ROOM * search.error)
                    search.floor = parts[k] * (1.0 - 1.0 / steps);
            search.floor = fmin(search.floor, 0.999 * search.widest() / steps);
        }
        // The next rounds look between the neighbours of the best.
        const u32 last_near = narrowing() + BEST - 1;
        const double narrower = 2.0 / (CANDIDATES - 1);
        if (round == last_near) search.reach = search.t * spread(search) * narrower;
        if (round > last_near) search.reach *= narrower;
        if (is_last(round + 1)) search.reach = search.t * spread(search) * narrower; // another zero point has its own scale
#endif
    }

private:
    // From one evenly spread scale to the next larger, less 1.
    __device__ __forceinline__ double spread(const Search &search) const
    {
        return exp2(-log2(search.floor) / (points - 1)) - 1.0;
    }

    // The curve's widths fall from that of the range.
    __device__ __forceinline__ double curve_part(const Search &search, u32 k) const
    {
        const double first = search.widest() / steps;
        return first * exp2(log2(search.floor / first) * k / (CANDIDATES - 1));
    }

    __device__ __forceinline__ void bracket(Search &search, u32 k, double t, double width) const
    {
        const double first = search.widest() / steps;
        if (t >= first) {
            search.below[k] = search.above[k] = search.place[k] = search.middle(width);
            return;
        }
        const double at = log2(t / first) / log2(search.floor / first) * (CANDIDATES - 1);
        const int j = min(static_cast<int>(at), CANDIDATES - 2);
        const double wide = curve_part(search, j), narrow = curve_part(search, j + 1);
        const double lower = search.curve[j], upper = search.curve[j + 1];
        const double share = fmin(fmax((wide - t) / (wide - narrow), 0.0), 1.0);
        // b rises and b + w falls as w falls; halving may have left the two ends a little off.
        const double one = fmax(lower, upper + (narrow - t) * steps), other = fmin(upper, lower + (wide - t) * steps);
        search.below[k] = fmin(one, other);
        search.above[k] = fmax(one, other);
        search.place[k] = lower + (upper - lower) * share;
    }

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

// Of one thread: what lies above the candidates' reach less what lies below, and how many do.
struct Weigher {
    float inverse_unit;
    float bottoms[TOGETHER], tops[TOGETHER], balances[TOGETHER], counts[TOGETHER];

    __device__ __forceinline__ void take(float x)
    {
        const float one[1] = {x};
        take(one);
    }
    template <int N> __device__ __forceinline__ void take(const float (&x)[N])
    {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            const float u = x[i] * inverse_unit;
#pragma unroll
            for (int k = 0; k < TOGETHER; ++k) {
                const float above = u - tops[k], below = bottoms[k] - u;
                balances[k] += fmaxf(above, 0.0f) - fmaxf(below, 0.0f);
                counts[k] += above > 0.0f || below > 0.0f ? 1.0f : 0.0f;
            }
        }
    }
};

// Of one thread: squared errors in units of the largest scale.
struct Scorer {
    float inverse_unit, low, high;
    float scales[TOGETHER], zeros[TOGETHER], errors[TOGETHER];

    __device__ __forceinline__ void take(float x)
    {
        const float one[1] = {x};
        take(one);
    }
    template <int N> __device__ __forceinline__ void take(const float (&x)[N])
    {
#pragma unroll
        for (int k = 0; k < TOGETHER; ++k) {
            const Affine affine(scales[k], zeros[k]);
            float made[N];
#pragma unroll
            for (int i = 0; i < N; ++i) made[i] = x[i];
            affine.round_trip(made, low, high);
#pragma unroll
            for (int i = 0; i < N; ++i) {
                const float error = (x[i] - made[i]) * inverse_unit;
                errors[k] = fmaf(error, error, errors[k]);
            }
        }
    }
};

// What a team has in common.
struct Common {
    Search search;
    double parts[CANDIDATES]; // t of the round's candidates
    float scales[CANDIDATES], zeros[CANDIDATES];
    double sums[2 * CANDIDATES]; // of the step: errors, or balances and counts
};

// The largest scale that is tried, a little above those of the observed range and of twice the largest magnitude: zero points
// are whole numbers, and where a few outliers make the error coarser scales may meet them best.
__device__ __forceinline__ Made largest_scale(const Range &range, const Made &minmax, double steps)
{
    Made unbounded;
    unbounded.scale = __uint_as_float(0x7F800000u);
    unbounded.zero = 0.0f;
    const double most = 3.4028234e38, twice = 2.0 * fmaxf(range.above, range.below) / (steps - 1.0);
    const Made covering = nearest_scale(fmin(fmax(static_cast<double>(minmax.scale), twice), most), unbounded);
    return nearest_scale(fmin(covering.scale * (1.0 + 1.0 / steps), most), unbounded);
}

__device__ __forceinline__ void weigh(const value_t *x, const BlockPlace &place, const Team &team, u32 parts, Common &common,
                                      float inverse_unit, double steps)
{
#pragma unroll 1
    for (int first = 0; first < CANDIDATES; first += TOGETHER) {
        Weigher weigher;
        weigher.inverse_unit = inverse_unit;
#pragma unroll
        for (int k = 0; k < TOGETHER; ++k) {
            const double bottom = common.search.place[first + k];
            weigher.bottoms[k] = static_cast<float>(bottom);
            weigher.tops[k] = static_cast<float>(bottom + common.parts[first + k] * steps);
            weigher.balances[k] = weigher.counts[k] = 0.0f;
        }
        if (team.present)
            place.take_singly(weigher, x, static_cast<u64>(team.part) * TEAM + team.lane, static_cast<u64>(parts) * TEAM);
        sum_over_team(weigher.balances, common.sums + first);
        sum_over_team(weigher.counts, common.sums + CANDIDATES + first);
    }
}

__device__ __forceinline__ void score(const value_t *x, const BlockPlace &place, const Team &team, u32 parts, Common &common,
                                      float inverse_unit, float low, float high)
{
#pragma unroll 1
    for (int first = 0; first < CANDIDATES; first += TOGETHER) {
        Scorer scorer;
        scorer.inverse_unit = inverse_unit;
        scorer.low = low;
        scorer.high = high;
#pragma unroll
        for (int k = 0; k < TOGETHER; ++k) {
            scorer.scales[k] = common.scales[first + k];
            scorer.zeros[k] = common.zeros[first + k];
            scorer.errors[k] = 0.0f;
        }
        if (team.present)
            place.take_singly(scorer, x, static_cast<u64>(team.part) * TEAM + team.lane, static_cast<u64>(parts) * TEAM);
        sum_over_team(scorer.errors, common.sums + first);
        if (team.lane < TOGETHER) common.sums[CANDIDATES + first + team.lane] = 0.0; // none are weighed
    }
}

// Two thread blocks a multiprocessor, 128 registers: for a third the compiler spills on sm_80 and sm_89.
//
// Steps first_step … last_step - 1 of all_steps. rows: 2 * CANDIDATES sums for each part of each block, where there are
// several; searches: kept from launch to launch.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
search_affine(const value_t *__restrict__ x, const Range *__restrict__ found, double *__restrict__ rows,
              Search *__restrict__ searches, u32 *__restrict__ tickets, CALIBRATED_PARAMETERS, u64 count, u32 blocks, u32 parts,
              u32 points, u32 halvings, u32 first_step, u32 last_step, u32 all_steps, BLOCK_PARAMETERS)
{
    __shared__ Common teams[TEAMS];
    const Team team(blocks, parts);
    const Blocks geometry = BLOCK_ARGUMENTS;
    const BlockPlace place(geometry, count, team.block);
    const Calibrated out = CALIBRATED_ARGUMENTS;
    const Range range = found[team.block];
    const Made minmax = make_scale(range, out.target, 1.0f), largest = largest_scale(range, minmax, steps);
    const double unit = largest.scale;
    const float inverse_unit = __fdiv_rn(1.0f, largest.scale);
    const Rounds rounds = {points, halvings, steps};
    Common &common = teams[threadIdx.x / TEAM];
    if (team.lane == 0) {
        if (first_step) {
            common.search = searches[team.block];
        } else {
            common.search.least = -static_cast<double>(range.below) / unit;
            common.search.most = static_cast<double>(range.above) / unit;
            common.search.minmax = minmax.scale / unit;
        }
    }
    sync_team();
    for (u32 number = first_step; number < last_step; ++number) {
        const Step step(number, halvings);
        for (u32 k = team.lane; k < CANDIDATES; k += TEAM) {
            const double part = rounds.part(common.search, step, k);
            const Made made = nearest_scale(part * unit, largest);
            common.scales[k] = made.scale;
            common.parts[k] = step.curve ? part : made.scale / unit; // the curve's need not be stored
            rounds.place(common.search, step, k, common.parts[k]);
            const double zero = rounds.zero(common.search, step, k, low, unit, made.scale);
            common.zeros[k] = fmin(fmax(zero, static_cast<double>(low)), static_cast<double>(high));
#if SCALE != 3
            if (number == halvings && k == 0) common.zeros[0] = minmax.zero;
#endif
        }
        sync_team();
        if (step.kind == SCORE)
            score(x, place, team, parts, common, inverse_unit, low, high);
        else
            weigh(x, place, team, parts, common, inverse_unit, steps);
        sync_team();
#if TEAM == THREADS
        if (parts > 1) {
            double *own = rows + static_cast<u64>(team.block) * parts * (2 * CANDIDATES);
            if (threadIdx.x < 2 * CANDIDATES) own[team.part * (2 * CANDIDATES) + threadIdx.x] = common.sums[threadIdx.x];
            if (!arrived_last(tickets + team.block, parts)) return;
            sum_over_parts(own, parts, common.sums);
        }
#endif
        if (step.kind != SCORE)
            for (u32 k = team.lane; k < CANDIDATES; k += TEAM)
                rounds.move(common.search, step, k, common.sums[k], common.sums[CANDIDATES + k]);
        else if (team.lane == 0)
            rounds.accept(common.search, step.round, common.parts, common.zeros, common.sums,
                          static_cast<double>(place.elements));
        sync_team();
    }
    if (team.lane || !team.present) return;
    if (last_step < all_steps) {
        searches[team.block] = common.search;
        return;
    }
    Made best = nearest_scale(common.search.t * unit, largest);
    best.zero = static_cast<float>(common.search.zero);
    out.store(team.block, best);
}
