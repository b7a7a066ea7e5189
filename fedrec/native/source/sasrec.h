// SASRec's block: queries are normed, keys and values are not, the residual carries the norm, ReLU.
#pragma once
#include "block.h"

// Factors (n - first, H) inside the feed-forward layer, laid out in `to`.
static inline void hidden_factors(const Shape& s, const Masks& masks, long n, float* to,
                                  long first = 0) {
  const Masks own = masks.from(s.attention_masks());
  for (long t = first; t < n; t++) own.copy(to + (t - first) * s.H, t, 0, s.H);
}

// Rows `first` to n - 1 of x become those behind the block; all rows are attended to.
static inline void sasrec_forward(const Shape& s, const Arrays<const float>& w, const Turned& t,
                                  const Masks& masks, long n, float* x, const Kept& k,
                                  const Scratch& scratch, long first) {
  const long D = s.D, H = s.H, m = n - first, at = first * D;
  float* rows = x + at;
  std::memcpy(k.x, x, sizeof(float) * n * D);
  norm(m, D, rows, w.scale1, w.shift1, k.normal1 + at, k.rate1 + first, k.y1 + at);
  product(m, D, D, k.y1 + at, D, 1, t.query, D, k.projected + at, D, false, w.query_bias);
  product(n, 2 * D, D, x, D, 1, t.key_value, 2 * D, k.projected + n * D, 2 * D, false,
          w.key_value_bias);
  attention_forward(s, masks, n, k, scratch, first);
  product(m, D, D, k.attended + at, D, 1, t.out, D, rows, D, false, w.out_bias);
  add(rows, k.y1 + at, m * D);
  norm(m, D, rows, w.scale2, w.shift2, k.normal2 + at, k.rate2 + first, k.y2 + at);
  float* active = k.active + first * H;
  product(m, H, D, k.y2 + at, D, 1, t.in, H, active, H, false, w.in_bias);
  if (masks.base) {
    hidden_factors(s, masks, n, scratch.wide, first);
    multiply(active, scratch.wide, m * H);
  }
  for (long i = 0; i < m * H; i += LANES) store(active + i, larger(load(active + i), Vector{}));
  product(m, D, H, active, H, 1, t.back, D, rows, D, false, w.back_bias);
  if (masks.base) multiply(rows, masks.row(s.masks() - 1, first), m * D);
  add(rows, k.y2 + at, m * D);
}

// g (n, D): gradient behind the block, on return the one before it; `to` is added to.
static inline void sasrec_back(const Shape& s, const Arrays<const float>& w,
                               const Arrays<float>& to, const Masks& masks, long n, float* g,
                               const Kept& k, const Scratch& scratch) {
  const long D = s.D, H = s.H;
  float *one = scratch.wide, *two = scratch.wide2;
  std::memcpy(one, g, sizeof(float) * n * D);
  if (masks.base) multiply(one, masks.row(s.masks() - 1, 0), n * D);
  linear_gradient(n, D, H, one, k.active, to.back, to.back_bias);
  product(n, H, D, one, D, 1, w.back, H, two, H);
  if (masks.base) {
    hidden_factors(s, masks, n, one);
    multiply(two, one, n * H);
  }
  for (long i = 0; i < n * H; i += LANES)
    store(two + i, load(k.active + i) > 0.0f ? load(two + i) : Vector{});
  linear_gradient(n, H, D, two, k.y2, to.in, to.in_bias);
  product(n, D, H, two, H, 1, w.in, D, g, D, true);  // behind the second norm
  norm_back(n, D, g, k.normal2, k.rate2, w.scale2, to.scale2, to.shift2, one, false);
  linear_gradient(n, D, D, one, k.attended, to.out, to.out_bias);
  product(n, D, D, one, D, 1, w.out, D, two, D);
  attention_backward(s, masks, n, k, two, scratch);
  const float *to_query = scratch.to_projected, *to_key_value = to_query + n * D;
  linear_gradient(n, D, D, to_query, k.y1, to.query, to.query_bias);
  product(n, D, D, to_query, D, 1, w.query, D, one, D, true);
  norm_back(n, D, one, k.normal1, k.rate1, w.scale1, to.scale1, to.shift1, g, false);
  linear_gradient(n, 2 * D, D, to_key_value, k.x, to.key_value, to.key_value_bias);
  product(n, D, 2 * D, to_key_value, 2 * D, 1, w.key_value, D, g, D, true);
}
