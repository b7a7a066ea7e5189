// Causal attention of one head over one window of n positions, forward and back.
//
// weights[i][j] = softmax over j <= i of q_i . k_j / sqrt(E), times a dropout factor; out = weights V.
// Rows lie ld = up(n, 16) apart; behind a row's own position the weights are 0.
#pragma once
#include "product.h"

struct Head {
  const float *query, *key, *value;  // (n, E), rows `stride` and `stride_kv` apart
  long stride, stride_kv, E, n, ld;
};

// Scores of rows i .. i + m against keys 0 .. c - 1, from turned keys (E, ld).
static inline long columns(long i, long m, long ld) {
  const long c = up(i + m, 16);
  return c < ld ? c : ld;
}

// Fills weights (n, ld) before dropout. `turned` is scratch of E * ld.
// From row `first` on.
static inline void attention_weights(const Head& h, float* weights, float* turned, long first) {
  std::memset(turned, 0, sizeof(float) * h.E * h.ld);
  transpose(h.n, h.E, h.key, h.stride_kv, turned, h.ld);
  const float scale = 1.0f / std::sqrt((float)h.E);
  const Integers count = counting();
  for (long i = first; i < h.n; i += ROWS) {
    const long m = h.n - i < ROWS ? h.n - i : ROWS, c = columns(i, m, h.ld);
    product(m, c, h.E, h.query + i * h.stride, h.stride, 1, turned, h.ld, weights + i * h.ld, h.ld);
    for (long r = i; r < i + m; r++) {
      float* row = weights + r * h.ld;
      Vector most = all(-3e38f);
      for (long j = 0; j <= r; j += LANES) {
        const Integers seen = count <= (int32_t)(r - j);
        most = larger(most, seen ? load(row + j) : all(-3e38f));
      }
      const Vector top = all(largest(most) * scale);
      Vector total{};
      for (long j = 0; j < c; j += LANES) {
        const Integers seen = count <= (int32_t)(r - j);
        const Vector e = seen ? exponential(load(row + j) * scale - top) : Vector{};
        total += e;
        store(row + j, e);
      }
      const Vector part = all(1.0f / sum(total));
      for (long j = 0; j < c; j += LANES) store(row + j, load(row + j) * part);
    }
  }
}

// out (n, E), rows `ldo` apart, from dropped weights.
static inline void attend(const Head& h, const float* dropped, float* out, long ldo, long first) {
  for (long i = first; i < h.n; i += ROWS) {
    const long m = h.n - i < ROWS ? h.n - i : ROWS;
    product(m, h.E, i + m, dropped + i * h.ld, h.ld, 1, h.value, h.stride_kv, out + i * ldo, ldo);
  }
}

struct HeadBack {
  float *query, *key, *value;  // gradients, laid out as in Head
};

// From the gradient of out. `factors` (n, ld) are those of dropout, or null; `dropped` the weights
// times them; `scores` is scratch (n, ld).
static inline void attention_back(const Head& h, const float* gradient, long ldg,
                                  const float* weights, const float* dropped, const float* factors,
                                  float* scores, float* turned, const HeadBack& to) {
  std::memset(turned, 0, sizeof(float) * h.E * h.ld);
  transpose(h.n, h.E, h.value, h.stride_kv, turned, h.ld);
  const Vector scale = all(1.0f / std::sqrt((float)h.E));
  for (long i = 0; i < h.n; i += ROWS) {
    const long m = h.n - i < ROWS ? h.n - i : ROWS, c = columns(i, m, h.ld);
    product(m, c, h.E, gradient + i * ldg, ldg, 1, turned, h.ld, scores + i * h.ld, h.ld);
    for (long r = i; r < i + m; r++) {
      float* row = scores + r * h.ld;
      const float* own = weights + r * h.ld;
      if (factors) multiply(row, factors + r * h.ld, c);
      Vector total{};
      for (long j = 0; j < c; j += LANES) total += load(row + j) * load(own + j);
      const Vector mean = all(sum(total));
      for (long j = 0; j < c; j += LANES)
        store(row + j, load(own + j) * (load(row + j) - mean) * scale);
    }
    product(m, h.E, i + m, scores + i * h.ld, h.ld, 1, h.key, h.stride_kv,
            to.query + i * h.stride, h.stride);
  }
  for (long i = 0; i < h.n; i += ROWS) {  // keys i .. i + m, seen by positions i and later
    const long m = h.n - i < ROWS ? h.n - i : ROWS, later = h.n - i;
    product(m, h.E, later, scores + i * h.ld + i, 1, h.ld, h.query + i * h.stride, h.stride,
            to.key + i * h.stride_kv, h.stride_kv);
    product(m, h.E, later, dropped + i * h.ld + i, 1, h.ld, gradient + i * ldg, ldg,
            to.value + i * h.stride_kv, h.stride_kv);
  }
}
