// log sum exp of states against candidates, with its gradient.
#pragma once
#include "parallel.h"
#include "product.h"

struct Candidates {
  const float *states, *candidates, *own;      // (M, D), (K, D), (M, D) or null
  const uint8_t* refused;                      // (R, K), not 0 where left out, or null
  const int64_t* refused_rows;                 // (M) row of each state; null: row i
  const float* weights;                        // (M), or null where no gradient is wanted
  long M, K, D;
  float shift;
};

struct Found {
  float *found, *to_states, *to_candidates, *to_own;  // (M), (M, D), (K, D), (M, D) or null
};

// Floats of K turned candidates (K, D): panels of them, each (D, PANEL), padded with 0.
long turned_candidates(long K, long D);
void turn_candidates(long K, long D, const float* candidates, float* turned);

// As ``log_sum_exp``, with candidates that were turned already.
void log_sum_exp_of(const Candidates& c, const Found& f, const float* turned, long threads);
