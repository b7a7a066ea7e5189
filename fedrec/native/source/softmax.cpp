// log sum exp of states against candidates, with its gradient, from scores that stay in the cache.
//
// For state s_i with candidates c_k that it may meet, and one of its own p_i (or none):
//   found_i = log(exp(s_i . p_i) + sum_k exp(s_i . c_k + shift))
// and, of the loss sum_i weight_i * found_i, the gradients of s, c and p.
#include "softmax.h"

namespace {

constexpr long PANEL = 64;          // candidates that are in the first cache together
constexpr long HELD = 256 << 10;    // scores, in floats, that are in the second
constexpr long CHUNK = 2048;        // states whose gradient of the candidates is summed apart
constexpr long MOST = 240;          // states of a block, at most
constexpr float NONE = -3e38f;      // score of a candidate that is left out

// Scores (m, PANEL) of one panel, shifted and masked; the lanes of most (m) are raised.
void mask(const Candidates& c, long first, long m, long panel, float* scores, Vector* most) {
  const long from = panel * PANEL, real = std::min(PANEL, c.K - from);
  const Integers count = counting();
  for (long r = 0; r < m; r++) {
    float* row = scores + r * PANEL;
    const long i = first + r;
    const uint8_t* left_out =
        c.refused ? c.refused + (c.refused_rows ? c.refused_rows[i] : i) * c.K + from : nullptr;
    Vector top = most[r];
    for (long j = 0; j < PANEL; j += LANES) {
      Vector v = load(row + j) + c.shift;
      if (left_out) {
        Bytes flags{};
        std::memcpy(&flags, left_out + j, std::max(0L, std::min((long)LANES, real - j)));
        v = __builtin_convertvector(flags, Integers) != 0 ? all(NONE) : v;
      }
      if (j + LANES > real) v = count < (int32_t)(real - j) ? v : all(NONE);
      store(row + j, v);
      top = larger(top, v);
    }
    most[r] = top;
  }
}

float dot(const float* a, const float* b, long D) {
  Vector s{};
  for (long j = 0; j < D; j += LANES) s += load(a + j) * load(b + j);
  return sum(s);
}

// m states from `first` on, all candidates. `turned` holds panels (D, PANEL) of the candidates.
void block(const Candidates& c, const Found& f, const float* turned, long first, long m,
           float* to_candidates, float* scores, float* scaled) {
  const long D = c.D, panels = (c.K + PANEL - 1) / PANEL;
  const float* states = c.states + first * D;
  float most[MOST], own[MOST], total[MOST];
  Vector lanes[MOST];
  for (long r = 0; r < m; r++) {
    own[r] = c.own ? dot(states + r * D, c.own + (first + r) * D, D) : NONE;
    lanes[r] = all(own[r]);
  }
  for (long p = 0; p < panels; p++) {
    float* here = scores + p * m * PANEL;
    product(m, PANEL, D, states, D, 1, turned + p * D * PANEL, PANEL, here, PANEL);
    mask(c, first, m, p, here, lanes);
  }
  float* to_states = c.weights ? f.to_states + first * D : nullptr;
  for (long r = 0; r < m; r++) most[r] = largest(lanes[r]), lanes[r] = Vector{};
  if (to_states) std::memset(to_states, 0, sizeof(float) * m * D);
  for (long p = 0; p < panels; p++) {
    float* here = scores + p * m * PANEL;
    for (long r = 0; r < m; r++) {
      const Vector top = all(most[r]);
      Vector s = lanes[r];
      for (long j = 0; j < PANEL; j += LANES) {
        const Vector v = load(here + r * PANEL + j);
        const Vector e = v <= NONE ? Vector{} : exponential(v - top);  // NaN stays
        s += e;
        store(here + r * PANEL + j, e);
      }
      lanes[r] = s;
    }
    const long real = std::min(PANEL, c.K - p * PANEL);
    if (to_states)
      product(m, D, real, here, PANEL, 1, c.candidates + p * PANEL * D, D, to_states, D, true);
  }
  for (long r = 0; r < m; r++) {
    const long i = first + r;
    const float of_own = c.own ? std::exp(own[r] - most[r]) : 0.0f;
    total[r] = sum(lanes[r]) + of_own;
    const bool is_empty = total[r] <= 0.0f;  // every candidate is left out
    f.found[i] = is_empty ? -INFINITY : std::log(total[r]) + most[r];
    if (!to_states) continue;
    const float rate = is_empty ? 0.0f : c.weights[i] / total[r];
    const float single = rate * of_own;
    for (long j = 0; j < D; j += LANES) {
      Vector g = load(to_states + r * D + j) * rate;
      const Vector s = load(states + r * D + j);
      store(scaled + r * D + j, s * rate);
      if (c.own) {
        g += load(c.own + i * D + j) * single;
        store(f.to_own + i * D + j, s * single);
      }
      store(to_states + r * D + j, g);
    }
  }
  for (long p = 0; to_states && p < panels; p++) {
    const long real = std::min(PANEL, c.K - p * PANEL);
    product(real, D, m, scores + p * m * PANEL, 1, PANEL, scaled, D,
            to_candidates + p * PANEL * D, D, true);
  }
}

}  // namespace

long turned_candidates(long K, long D) { return (K + PANEL - 1) / PANEL * PANEL * D; }

void turn_candidates(long K, long D, const float* candidates, float* turned) {
  std::memset(turned, 0, sizeof(float) * turned_candidates(K, D));
  for (long from = 0; from < K; from += PANEL)
    transpose(std::min(PANEL, K - from), D, candidates + from * D, D, turned + from * D, PANEL);
}

void log_sum_exp_of(const Candidates& c, const Found& f, const float* turned, long threads) {
  const long D = c.D, width = (c.K + PANEL - 1) / PANEL * PANEL;
  thread_local Buffer sums;
  const long rows = std::max(1L * ROWS, std::min(MOST, HELD / width / ROWS * ROWS));
  const long chunks = (c.M + CHUNK - 1) / CHUNK;
  const bool is_summed = c.weights && chunks > 1;
  float* const apart = sums.grow(is_summed ? chunks * c.K * D : 0);
  in_parallel(chunks, threads, [&](long chunk) {
    float* to = f.to_candidates;
    if (is_summed) {
      to = apart + chunk * c.K * D;
      std::memset(to, 0, sizeof(float) * c.K * D);
    }
    float* scores = memory(rows * width + rows * D);
    const long past = std::min(c.M, (chunk + 1) * CHUNK);
    for (long i = chunk * CHUNK; i < past; i += rows)
      block(c, f, turned, i, std::min(rows, past - i), to, scores, scores + rows * width);
  });
  for (long chunk = 0; is_summed && chunk < chunks; chunk++)
    for (long i = 0; i < c.K * D; i++) f.to_candidates[i] += apart[chunk * c.K * D + i];
}

extern "C" void log_sum_exp(const Candidates* c, const Found* f, long threads) {
  thread_local Buffer packed;
  float* turned = packed.grow(turned_candidates(c->K, c->D));
  turn_candidates(c->K, c->D, c->candidates, turned);
  log_sum_exp_of(*c, *f, turned, threads);
}
