// Causal transformer over many windows: what it reads, and its functions.
#pragma once
#include "block.h"

// Windows: first position in x, length, and which set of weights they are read by.
struct Windows {
  const int64_t *first, *length, *set;
  long count;
};

struct Inputs {
  Shape shape;
  const float* weights;
  long weight_stride;  // 0: one set of weights for all windows
  const float* x;      // positions (T, D)
  const float* masks;  // (num_masks, T, D) or null
  long mask_stride;
};

extern "C" {
void encoder_forward(const Inputs* in, const Windows* w, float* states, long threads);
void encoder_backward(const Inputs* in, const Windows* w, const float* to_states, float* to_items,
                      float* gradient, long gradient_stride, long threads);
}
