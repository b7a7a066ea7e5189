// Pre-norm block: x + dropout(attention(norm(x))), then x + dropout(feed(norm(x))), GELU.
#pragma once
#include "block.h"

// Rows `first` to n - 1 of x become those behind the block; all rows are attended to.
static inline void pre_norm_forward(const Shape& s, const Arrays<const float>& w, const Turned& t,
                                    const Masks& masks, long n, float* x, const Kept& k,
                                    const Scratch& scratch, long first) {
  const long D = s.D, H = s.H, m = n - first, at = first * D;
  norm(n, D, x, w.scale1, w.shift1, k.normal1, k.rate1, k.y1);
  product(m, D, D, k.y1 + at, D, 1, t.query, 3 * D, k.projected + 3 * at, 3 * D, false,
          w.query_bias);
  product(n, 2 * D, D, k.y1, D, 1, t.query + D, 3 * D, k.projected + D, 3 * D, false,
          w.query_bias + D);
  attention_forward(s, masks, n, k, scratch, first);
  product(m, D, D, k.attended + at, D, 1, t.out, D, scratch.wide, D, false, w.out_bias);
  if (masks.base) multiply(scratch.wide, masks.row(0, first), m * D);
  add(x + at, scratch.wide, m * D);
  norm(m, D, x + at, w.scale2, w.shift2, k.normal2 + at, k.rate2 + first, k.y2 + at);
  float *active = k.active + first * H, *slopes = k.slope + first * H;
  product(m, H, D, k.y2 + at, D, 1, t.in, H, active, H, false, w.in_bias);
  for (long i = 0; i < m * H; i += LANES) {
    Vector out, slope;
    gelu(load(active + i), out, slope);
    store(active + i, out);
    store(slopes + i, slope);
  }
  product(m, D, H, active, H, 1, t.back, D, scratch.wide, D, false, w.back_bias);
  if (masks.base) multiply(scratch.wide, masks.row(1, first), m * D);
  add(x + at, scratch.wide, m * D);
}

// g (n, D): gradient behind the block, on return the one before it; `to` is added to.
static inline void pre_norm_back(const Shape& s, const Arrays<const float>& w,
                                 const Arrays<float>& to, const Masks& masks, long n, float* g,
                                 const Kept& k, const Scratch& scratch) {
  const long D = s.D, H = s.H;
  float *one = scratch.wide, *two = scratch.wide2;
  std::memcpy(one, g, sizeof(float) * n * D);
  if (masks.base) multiply(one, masks.row(1, 0), n * D);
  linear_gradient(n, D, H, one, k.active, to.back, to.back_bias);
  product(n, H, D, one, D, 1, w.back, H, two, H);
  multiply(two, k.slope, n * H);
  linear_gradient(n, H, D, two, k.y2, to.in, to.in_bias);
  product(n, D, H, two, H, 1, w.in, D, one, D);
  norm_back(n, D, one, k.normal2, k.rate2, w.scale2, to.scale2, to.shift2, g, true);
  std::memcpy(one, g, sizeof(float) * n * D);
  if (masks.base) multiply(one, masks.row(0, 0), n * D);
  linear_gradient(n, D, D, one, k.attended, to.out, to.out_bias);
  product(n, D, D, one, D, 1, w.out, D, two, D);
  attention_backward(s, masks, n, k, two, scratch);
  linear_gradient(n, 3 * D, D, scratch.to_projected, k.y1, to.query, to.query_bias);
  product(n, D, 3 * D, scratch.to_projected, 3 * D, 1, w.query, D, one, D);
  norm_back(n, D, one, k.normal1, k.rate1, w.scale1, to.scale1, to.shift1, g, true);
}
