// Vectors of floats as wide as the machine has them, written with GCC's vector types.
//
// Nothing here is reordered by the compiler (no -ffast-math): one machine, one order of sums.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Vector __attribute__((vector_size(LANES * 4)));
typedef int32_t Integers __attribute__((vector_size(LANES * 4)));
typedef uint8_t Bytes __attribute__((vector_size(LANES)));

static inline Vector load(const float* from) {
  Vector out;
  std::memcpy(&out, from, sizeof out);
  return out;
}

static inline void store(float* to, Vector v) { std::memcpy(to, &v, sizeof v); }

static inline Vector all(float x) { return Vector{} + x; }

static inline Vector larger(Vector a, Vector b) { return a > b ? a : b; }

// Sum of the lanes, by halves.
static inline float sum(Vector v) {
  float t[LANES];
  store(t, v);
  for (int half = LANES / 2; half; half /= 2)
    for (int i = 0; i < half; i++) t[i] += t[i + half];
  return t[0];
}

static inline float largest(Vector v) {
  float t[LANES];
  store(t, v);
  for (int half = LANES / 2; half; half /= 2)
    for (int i = 0; i < half; i++) t[i] = t[i] > t[i + half] ? t[i] : t[i + half];
  return t[0];
}

// 0, 1, 2, ... in the lanes.
static inline Integers counting() {
  Integers out;
  for (int i = 0; i < LANES; i++) out[i] = i;
  return out;
}

// exp(x), 2 units in the last place; 0 below -87.3, where a float has no room (Cephes' polynomial).
static inline Vector exponential(Vector x) {
  const Vector least = all(-87.3f);
  Integers tiny = x < least;
  x = larger(least, x);  // NaN stays
  x = x > 88.3f ? all(88.3f) : x;
  const Vector magic = all(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  Vector n = (x * 1.44269504f + magic) - magic;
  Vector r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  Vector p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  Integers power = (__builtin_convertvector(n, Integers) + 127) << 23;
  Vector scale;
  std::memcpy(&scale, &power, sizeof scale);
  return tiny ? Vector{} : p * scale;
}

// gelu(x) = x * Phi(x) and its derivative; erf by Abramowitz & Stegun 7.1.26 (error 1.5e-7).
static inline void gelu(Vector x, Vector& out, Vector& slope) {
  const Vector one = all(1.0f);
  Vector z = x * 0.70710678f;
  Vector size = z < 0.0f ? -z : z;
  Vector t = one / (size * 0.3275911f + one);
  Vector p = all(1.061405429f);
  p = p * t + -1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t + -0.284496736f;
  p = p * t + 0.254829592f;
  p = p * t;
  Vector g = exponential(-(z * z));
  Vector e = one - p * g;  // erf(|z|)
  e = z < 0.0f ? -e : e;
  Vector phi = (one + e) * 0.5f;
  out = x * phi;
  slope = x * 0.39894228f * g + phi;
}
