// Shapes of a transformer's weights, and what its blocks have in common.
//
// Weights lie in one row, in the order of torch's named_parameters: positions (P, D), the arrays of
// each block, scale and shift of the final norm. A linear layer's weight is (out, in), as torch has it.
#pragma once
#include "attention.h"
#include "norm.h"

enum Kind : long { PRE_NORM = 0, SASREC = 1 };

struct Shape {
  long D, H, heads, blocks, kind, positions, from_first;
  long E() const { return D / heads; }
  long block_size() const { return 4 * D + 4 * D * D + 4 * D + 2 * D * H + H + D; }
  long size() const { return positions * D + blocks * block_size() + 2 * D; }
  long turned_size() const { return 4 * D * D + 2 * D * H; }  // of a block's linear layers
  // Dropout masks of a block: of attention weights, inside the feed-forward layer, behind branches.
  long attention_masks() const { return kind == SASREC ? (heads * positions + D - 1) / D : 0; }
  long hidden_masks() const { return kind == SASREC ? (H + D - 1) / D : 0; }
  long masks() const { return kind == SASREC ? attention_masks() + hidden_masks() + 1 : 2; }
};

// Arrays of one block, of weights or of gradients; `T` is const float or float.
template <typename T>
struct Arrays {
  T *scale1, *shift1, *query, *query_bias, *key_value, *key_value_bias, *out, *out_bias;
  T *scale2, *shift2, *in, *in_bias, *back, *back_bias;
  // Pre-norm: query is (3D, D) for queries, keys and values; key_value is unused.
  Arrays(const Shape& s, T* at) {
    auto take = [&at](long n) { T* here = at; at += n; return here; };
    const long D = s.D, first = s.kind == SASREC ? 1 : 3;
    scale1 = take(D), shift1 = take(D);
    query = take(first * D * D), query_bias = take(first * D);
    key_value = take((3 - first) * D * D), key_value_bias = take((3 - first) * D);
    out = take(D * D), out_bias = take(D);
    scale2 = take(D), shift2 = take(D);
    in = take(s.H * D), in_bias = take(s.H);
    back = take(D * s.H), back_bias = take(D);
  }
};

// The linear layers of a block as (in, out), for the way forward.
struct Turned {
  float *query, *key_value, *out, *in, *back;
  Turned(const Shape& s, float* at) {
    const long D = s.D, first = s.kind == SASREC ? 1 : 3;
    query = at, key_value = query + first * D * D, out = key_value + (3 - first) * D * D;
    in = out + D * D, back = in + D * s.H;
  }
  void fill(const Shape& s, const Arrays<const float>& w) const {
    const long D = s.D, first = s.kind == SASREC ? 1 : 3;
    transpose(first * D, D, w.query, D, query, first * D);
    if (first == 1) transpose(2 * D, D, w.key_value, D, key_value, 2 * D);
    transpose(D, D, w.out, D, out, D);
    transpose(s.H, D, w.in, D, in, s.H);
    transpose(D, s.H, w.back, s.H, back, D);
  }
};

// Dropout masks of a window: `base` is that of its first position in the first mask, or null.
struct Masks {
  const float* base;
  long stride, D;
  const float* row(long mask, long t) const { return base + mask * stride + t * D; }
  Masks from(long mask) const { return {base ? base + mask * stride : nullptr, stride, D}; }
  // count factors of position t from `offset` on, in masks laid one behind the other.
  void copy(float* to, long t, long offset, long count) const {
    while (count > 0) {
      const long inside = offset % D, some = count < D - inside ? count : D - inside;
      std::memcpy(to, row(offset / D, t) + inside, sizeof(float) * some);
      to += some, offset += some, count -= some;
    }
  }
};

// What the way back of a block needs of its way forward, for one window of n positions.
struct Kept {
  float *x, *normal1, *rate1, *y1, *projected, *weights, *attended, *normal2, *rate2, *y2;
  float *active, *slope;
  static long size(const Shape& s, long n) {
    const long ld = up(n, 16);
    return n * (9 * s.D + 2 * s.H) + 2 * ld + s.heads * n * ld;
  }
  Kept(const Shape& s, long n, float* at) {
    auto take = [&at](long m) { float* here = at; at += m; return here; };
    const long ld = up(n, 16);
    x = take(n * s.D), normal1 = take(n * s.D), y1 = take(n * s.D), projected = take(3 * n * s.D);
    attended = take(n * s.D), normal2 = take(n * s.D), y2 = take(n * s.D);
    active = take(n * s.H), slope = take(n * s.H), rate1 = take(ld), rate2 = take(ld);
    weights = take(s.heads * n * ld);
  }
};

struct Scratch {
  float *turned, *dropped, *factors, *scores, *wide, *wide2, *to_projected;
  static long size(const Shape& s, long n) {
    const long ld = up(n, 16), W = s.H > s.D ? s.H : s.D;
    return s.E() * ld + 3 * n * ld + 2 * n * W + 3 * n * s.D;
  }
  Scratch(const Shape& s, long n, float* at) {
    auto take = [&at](long m) { float* here = at; at += m; return here; };
    const long ld = up(n, 16), W = s.H > s.D ? s.H : s.D;
    turned = take(s.E() * ld), dropped = take(n * ld), factors = take(n * ld);
    scores = take(n * ld), wide = take(n * W), wide2 = take(n * W), to_projected = take(3 * n * s.D);
  }
};

// Queries, keys and values of one head among what a block has projected.
static inline Head head_of(const Shape& s, const float* projected, long n, long head) {
  const long D = s.D, ld = up(n, 16), first = head * s.E();
  if (s.kind == SASREC)  // queries (n, D), then keys and values (n, 2D)
    return {projected + first, projected + n * D + first, projected + n * D + D + first,
            D, 2 * D, s.E(), n, ld};
  return {projected + first, projected + D + first, projected + 2 * D + first,
          3 * D, 3 * D, s.E(), n, ld};
}

// Factors (n, ld) of a head's attention weights from a block's masks; 0 where there are none.
static inline void attention_factors(const Shape& s, const Masks& masks, long n, long head,
                                     float* factors) {
  const long ld = up(n, 16), first = head * s.positions;
  for (long t = 0; t < n; t++) {
    const long seen = t + 1, c = columns(t / ROWS * ROWS, ROWS, ld);
    masks.copy(factors + t * ld, t, first, seen);
    std::memset(factors + t * ld + seen, 0, sizeof(float) * (c - seen));
  }
}

// The weights (n, ld) of a head after dropout: themselves, or in `scratch`.
static inline const float* dropped_weights(const Shape& s, const Masks& masks, long n, long head,
                                           const float* weights, const Scratch& scratch) {
  if (!masks.base || s.kind != SASREC) return weights;
  const long ld = up(n, 16);
  attention_factors(s, masks, n, head, scratch.factors);
  for (long t = 0; t < n; t++) {
    const long c = columns(t / ROWS * ROWS, ROWS, ld);
    for (long j = 0; j < c; j += LANES)
      store(scratch.dropped + t * ld + j,
            load(weights + t * ld + j) * load(scratch.factors + t * ld + j));
  }
  return scratch.dropped;
}

// What rows `first` to n - 1 attend to.
static inline void attention_forward(const Shape& s, const Masks& masks, long n, const Kept& k,
                                     const Scratch& scratch, long first) {
  const long ld = up(n, 16);
  for (long head = 0; head < s.heads; head++) {
    const Head h = head_of(s, k.projected, n, head);
    float* weights = k.weights + head * n * ld;
    attention_weights(h, weights, scratch.turned, first);
    attend(h, dropped_weights(s, masks, n, head, weights, scratch), k.attended + head * s.E(), s.D,
           first);
  }
}

// From the gradient of what was attended (n, D) to that of what was projected, in scratch.
static inline void attention_backward(const Shape& s, const Masks& masks, long n, const Kept& k,
                                      const float* gradient, const Scratch& scratch) {
  const long ld = up(n, 16);
  for (long head = 0; head < s.heads; head++) {
    const Head h = head_of(s, k.projected, n, head);
    const Head to = head_of(s, scratch.to_projected, n, head);
    const float* weights = k.weights + head * n * ld;
    const float* dropped = dropped_weights(s, masks, n, head, weights, scratch);
    const float* factors = dropped == weights ? nullptr : scratch.factors;
    attention_back(h, gradient + head * s.E(), s.D, weights, dropped, factors, scratch.scores,
                   scratch.turned,
                   {const_cast<float*>(to.query), const_cast<float*>(to.key),
                    const_cast<float*>(to.value)});
  }
}

// To the gradient of a linear layer (O, I) with bias from that of its output (n, O), input (n, I).
static inline void linear_gradient(long n, long O, long I, const float* gradient, const float* input,
                                   float* to_weight, float* to_bias) {
  product(O, I, n, gradient, 1, O, input, I, to_weight, I, true);
  add_rows(n, O, gradient, O, to_bias);
}
