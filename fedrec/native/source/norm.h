// Layer norm over D numbers, forward and back (torch's epsilon).
#pragma once
#include "vector.h"

constexpr float EPSILON = 1e-5f;

// y = normal * scale + shift for n rows (n, D); keeps normal (n, D) and the reciprocal root rate (n).
static inline void norm(long n, long D, const float* x, const float* scale, const float* shift,
                        float* normal, float* rate, float* y) {
  for (long t = 0; t < n; t++) {
    const float* row = x + t * D;
    float* out = normal + t * D;
    Vector s{};
    for (long j = 0; j < D; j += LANES) s += load(row + j);
    const Vector mean = all(sum(s) / D);
    Vector q{};
    for (long j = 0; j < D; j += LANES) {
      const Vector v = load(row + j) - mean;
      q += v * v;
    }
    rate[t] = 1.0f / std::sqrt(sum(q) / D + EPSILON);
    const Vector r = all(rate[t]);
    for (long j = 0; j < D; j += LANES) {
      const Vector v = (load(row + j) - mean) * r;
      store(out + j, v);
      store(y + t * D + j, v * load(scale + j) + load(shift + j));
    }
  }
}

// From dy (n, D): dx = or += rate * (a - mean(a) - normal * mean(a * normal)), a = dy * scale;
// to_scale and to_shift (D) are added to.
static inline void norm_back(long n, long D, const float* dy, const float* normal,
                             const float* rate, const float* scale, float* to_scale,
                             float* to_shift, float* dx, bool adds) {
  for (long t = 0; t < n; t++) {
    const float *d = dy + t * D, *h = normal + t * D;
    Vector first{}, second{};
    for (long j = 0; j < D; j += LANES) {
      const Vector a = load(d + j) * load(scale + j);
      first += a;
      second += a * load(h + j);
      store(to_scale + j, load(to_scale + j) + load(d + j) * load(h + j));
      store(to_shift + j, load(to_shift + j) + load(d + j));
    }
    const Vector m1 = all(sum(first) / D), m2 = all(sum(second) / D), r = all(rate[t]);
    for (long j = 0; j < D; j += LANES) {
      Vector v = r * (load(d + j) * load(scale + j) - m1 - load(h + j) * m2);
      float* to = dx + t * D + j;
      store(to, adds ? load(to) + v : v);
    }
  }
}
