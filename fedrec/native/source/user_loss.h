// Losses of one user's targets, with their gradients; s_t is the state after item t and e are the
// rows of the items, tied between input and output. Each is weight * the sum over targets of
//   SOFTMAX   log(exp(s_t . e_target) + sum over open items k of exp(s_t . e_k)) - s_t . e_target
//   SAMPLED   the same over K negatives that all targets share, shifted
//   BINARY    beta * softplus(-s_t . e_target) + sum over its own negatives of softplus(s_t . e_k)
//   PAIRWISE  mean over its own negatives of softplus(s_t . e_k - s_t . e_target)
#pragma once
#include "encoder.h"
#include "softmax.h"

enum Loss : long { SOFTMAX = 0, SAMPLED = 1, BINARY = 2, PAIRWISE = 3 };

struct Shared {
  Inputs encoder;       // its x and masks are set for each user
  const float* rows;    // (R, D), row 0 is padding
  const float* turned;  // of rows 1 .. R - 1, for SOFTMAX; else null
  long count;           // R
  float scale;          // of the rows that are read
};

struct User {
  const int64_t *items, *targets;  // (n) rows that are read, and that followed
  const int64_t* lengths;          // (windows), n together
  const int64_t* negatives;        // SAMPLED: (K); BINARY, PAIRWISE: (n, K); rows
  const uint8_t* refused;  // SOFTMAX: (R - 1), not 0 for no negative, or null: none but the target;
                           // SAMPLED: (K), or (n, K) where refused_each
  const float* masks;      // (num_masks, n, D) or null
  long windows, n, K, loss, refused_each;
  float weight, shift, beta;
};

struct Descent {
  float rate, decay, pull;
};

namespace {

// y (D) += x (D) * a
inline void add_scaled(float* y, const float* x, float a, long D) {
  for (long j = 0; j < D; j += LANES) store(y + j, load(y + j) + load(x + j) * a);
}

inline float inner(const float* a, const float* b, long D) {
  Vector s{};
  for (long j = 0; j < D; j += LANES) s += load(a + j) * load(b + j);
  return sum(s);
}

// log(1 + exp(x)), and its slope.
inline float softplus(float x, float& slope) {
  const float e = std::exp(-std::abs(x));
  slope = (x > 0.0f ? 1.0f : e) / (1.0f + e);
  return std::max(x, 0.0f) + std::log1p(e);
}

// SOFTMAX and SAMPLED. Fills to_states (n, D), adds to the gradient of the rows (R, D).
inline double softmax(const Shared& shared, const User& u, const float* states, float* to_states,
                      float* to_rows) {
  const long D = shared.encoder.shape.D, n = u.n;
  const bool is_sampled = u.loss == SAMPLED, has_own = is_sampled || u.refused;
  const long K = is_sampled ? u.K : shared.count - 1;
  thread_local Buffer held;
  float* at = held.grow(2 * n * D + 2 * n + (is_sampled ? 2 * K * D + turned_candidates(K, D) : 0));
  auto take = [&at](long m) { float* here = at; at += m; return here; };
  float *targets = take(n * D), *to_targets = take(n * D);
  float *values, *weights, *drawn = nullptr, *to_drawn = nullptr, *turned = nullptr;
  if (is_sampled) {
    drawn = take(K * D), to_drawn = take(K * D), turned = take(turned_candidates(K, D));
    for (long k = 0; k < K; k++)
      std::memcpy(drawn + k * D, shared.rows + u.negatives[k] * D, sizeof(float) * D);
    std::memset(to_drawn, 0, sizeof(float) * K * D);
    turn_candidates(K, D, drawn, turned);
  }
  values = take(n), weights = take(n);
  for (long t = 0; t < n; t++) {
    std::memcpy(targets + t * D, shared.rows + u.targets[t] * D, sizeof(float) * D);
    weights[t] = u.weight;
  }
  const std::vector<int64_t> first_row(n, 0);
  const Candidates against{states, is_sampled ? drawn : shared.rows + D,
                           has_own ? targets : nullptr, u.refused,
                           u.refused_each ? nullptr : first_row.data(), weights, n, K, D, u.shift};
  log_sum_exp_of(against,
                 {values, to_states, is_sampled ? to_drawn : to_rows + D,
                  has_own ? to_targets : nullptr},
                 is_sampled ? turned : shared.turned, 1);
  double total = 0;
  for (long t = 0; t < n; t++) {
    const float *state = states + t * D, *target = targets + t * D;
    total += values[t] - inner(state, target, D);
    add_scaled(to_states + t * D, target, -u.weight, D);
    float* to = to_rows + u.targets[t] * D;
    if (has_own) add(to, to_targets + t * D, D);
    add_scaled(to, state, -u.weight, D);
  }
  for (long k = 0; is_sampled && k < K; k++)
    add(to_rows + u.negatives[k] * D, to_drawn + k * D, D);
  return total;
}

// BINARY and PAIRWISE; the arguments are those of ``softmax``.
inline double own_negatives(const Shared& shared, const User& u, const float* states,
                            float* to_states, float* to_rows) {
  const long D = shared.encoder.shape.D, K = u.K;
  std::memset(to_states, 0, sizeof(float) * u.n * D);
  double total = 0;
  for (long t = 0; t < u.n; t++) {
    const float *state = states + t * D, *target = shared.rows + u.targets[t] * D;
    const float positive = inner(state, target, D);
    float to_positive = 0.0f, slope;
    if (u.loss == BINARY) {
      total += u.beta * softplus(-positive, slope);
      to_positive = -u.beta * slope;
    }
    for (long k = 0; k < K; k++) {
      const int64_t row = u.negatives[t * K + k];
      const float* negative = shared.rows + row * D;
      const float score = inner(state, negative, D);
      float to_score;
      if (u.loss == BINARY) {
        total += softplus(score, slope);
        to_score = slope;
      } else {
        total += softplus(score - positive, slope) / K;
        to_score = slope / K;
        to_positive -= to_score;
      }
      add_scaled(to_states + t * D, negative, u.weight * to_score, D);
      add_scaled(to_rows + row * D, state, u.weight * to_score, D);
    }
    add_scaled(to_states + t * D, target, u.weight * to_positive, D);
    add_scaled(to_rows + u.targets[t] * D, state, u.weight * to_positive, D);
  }
  return total;
}

}  // namespace
