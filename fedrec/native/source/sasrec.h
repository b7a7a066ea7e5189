// SASRec's block: queries are normed, keys and values are not, the residual carries the norm, ReLU.
#pragma once
#include "block.h"

// Factors (n, H) inside the feed-forward layer, laid out in `to`.
static inline void hidden_factors(const Shape& s, const Masks& masks, long n, float* to) {
  const Masks own = masks.from(s.attention_masks());
  for (long t = 0; t < n; t++) own.copy(to + t * s.H, t, 0, s.H);
}

static inline void sasrec_forward(const Shape& s, const Arrays<const float>& w, const Turned& t,
                                  const Masks& masks, long n, float* x, const Kept& k,
                                  const Scratch& scratch) {
  const long D = s.D, H = s.H;
  std::memcpy(k.x, x, sizeof(float) * n * D);
  norm(n, D, x, w.scale1, w.shift1, k.normal1, k.rate1, k.y1);
  product(n, D, D, k.y1, D, 1, t.query, D, k.projected, D, false, w.query_bias);
  product(n, 2 * D, D, x, D, 1, t.key_value, 2 * D, k.projected + n * D, 2 * D, false,
          w.key_value_bias);
  attention_forward(s, masks, n, k, scratch);
  product(n, D, D, k.attended, D, 1, t.out, D, x, D, false, w.out_bias);
  add(x, k.y1, n * D);
  norm(n, D, x, w.scale2, w.shift2, k.normal2, k.rate2, k.y2);
  product(n, H, D, k.y2, D, 1, t.in, H, k.active, H, false, w.in_bias);
  if (masks.base) {
    hidden_factors(s, masks, n, scratch.wide);
    multiply(k.active, scratch.wide, n * H);
  }
  for (long i = 0; i < n * H; i += LANES)
    store(k.active + i, larger(load(k.active + i), Vector{}));
  product(n, D, H, k.active, H, 1, t.back, D, x, D, false, w.back_bias);
  if (masks.base) multiply(x, masks.row(s.masks() - 1, 0), n * D);
  add(x, k.y2, n * D);
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
