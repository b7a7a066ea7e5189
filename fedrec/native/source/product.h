// Products of small row-major matrices, whose results stay in registers while they are summed.
#pragma once
#include "vector.h"

constexpr int ROWS = 6;  // of the result that are in registers together
#if defined(__AVX512F__)
constexpr int WIDE = 4;  // vectors of a row that are: 24 of 32 registers
#else
constexpr int WIDE = 2;  // 12 of 16
#endif

static inline long up(long n, long to) { return (n + to - 1) / to * to; }

// C (R, W * LANES) = or += A (R, K) * B (K, W * LANES) + bias; A has strides of rows and columns.
template <int R, int W>
static inline __attribute__((always_inline)) void micro(
    long K, const float* A, long row, long column, const float* B, long ldb, float* C, long ldc,
    bool adds, const float* bias) {
  Vector c[R][W];
  for (int i = 0; i < R; i++)
    for (int j = 0; j < W; j++)
      c[i][j] = adds ? load(C + i * ldc + j * LANES) : bias ? load(bias + j * LANES) : Vector{};
  for (long k = 0; k < K; k++) {
    Vector b[W];
    for (int j = 0; j < W; j++) b[j] = load(B + k * ldb + j * LANES);
    for (int i = 0; i < R; i++) {
      const Vector a = all(A[i * row + k * column]);
      for (int j = 0; j < W; j++) c[i][j] += a * b[j];
    }
  }
  for (int i = 0; i < R; i++)
    for (int j = 0; j < W; j++) store(C + i * ldc + j * LANES, c[i][j]);
}

template <int W>
static inline void strip(long M, long K, const float* A, long row, long column, const float* B,
                         long ldb, float* C, long ldc, bool adds, const float* bias) {
  long i = 0;
  for (; i + ROWS <= M; i += ROWS)
    micro<ROWS, W>(K, A + i * row, row, column, B, ldb, C + i * ldc, ldc, adds, bias);
  A += i * row;
  C += i * ldc;
  switch (M - i) {
    case 1: micro<1, W>(K, A, row, column, B, ldb, C, ldc, adds, bias); break;
    case 2: micro<2, W>(K, A, row, column, B, ldb, C, ldc, adds, bias); break;
    case 3: micro<3, W>(K, A, row, column, B, ldb, C, ldc, adds, bias); break;
    case 4: micro<4, W>(K, A, row, column, B, ldb, C, ldc, adds, bias); break;
    case 5: micro<5, W>(K, A, row, column, B, ldb, C, ldc, adds, bias); break;
  }
}

// C (M, N) = or += A (M, K) * B (K, N) + bias (N); N is a multiple of LANES. Each number of C is
// summed over k in order, so that it is the same whatever rows and columns are beside it.
static inline void product(long M, long N, long K, const float* A, long row, long column,
                           const float* B, long ldb, float* C, long ldc, bool adds = false,
                           const float* bias = nullptr) {
  long j = 0;
  for (; j + WIDE * LANES <= N; j += WIDE * LANES)
    strip<WIDE>(M, K, A, row, column, B + j, ldb, C + j, ldc, adds, bias ? bias + j : nullptr);
  const float* own = bias ? bias + j : nullptr;
  switch ((N - j) / LANES) {
    case 1: strip<1>(M, K, A, row, column, B + j, ldb, C + j, ldc, adds, own); break;
    case 2: strip<2>(M, K, A, row, column, B + j, ldb, C + j, ldc, adds, own); break;
    case 3: strip<3>(M, K, A, row, column, B + j, ldb, C + j, ldc, adds, own); break;
  }
}

// B (C, R) = A (R, C) turned.
static inline void transpose(long R, long C, const float* A, long lda, float* B, long ldb) {
  for (long r0 = 0; r0 < R; r0 += 16)
    for (long c0 = 0; c0 < C; c0 += 16)
      for (long c = c0; c < C && c < c0 + 16; c++)
        for (long r = r0; r < R && r < r0 + 16; r++) B[c * ldb + r] = A[r * lda + c];
}

// out (N) += sum of the rows of x (n, N).
static inline void add_rows(long n, long N, const float* x, long ld, float* out) {
  for (long j = 0; j < N; j += LANES) {
    Vector s = load(out + j);
    for (long t = 0; t < n; t++) s += load(x + t * ld + j);
    store(out + j, s);
  }
}

// x *= y, x += y over n numbers, n a multiple of LANES.
static inline void multiply(float* x, const float* y, long n) {
  for (long i = 0; i < n; i += LANES) store(x + i, load(x + i) * load(y + i));
}
static inline void add(float* x, const float* y, long n) {
  for (long i = 0; i < n; i += LANES) store(x + i, load(x + i) + load(y + i));
}
