// Causal transformer over many windows, one after the other, forward and back.
#include "encoder.h"
#include "parallel.h"
#include "pre_norm.h"
#include "sasrec.h"

namespace {

// A run of windows that one thread does in order: of one set, or about so many positions.
constexpr long CHUNK = 2048;

std::vector<long> chunks_of(const Windows& w, bool by_set) {
  std::vector<long> begins;
  long held = 0;
  for (long i = 0; i < w.count; i++) {
    const bool is_new = i == 0 || (by_set ? w.set[i] != w.set[i - 1] : held >= CHUNK);
    if (is_new) begins.push_back(i), held = 0;
    held += w.length[i];
  }
  begins.push_back(w.count);
  return begins;
}

// One window with its weights, turned layers and scratch.
struct Window {
  const Inputs& in;
  const Shape& s;
  long first, n;
  const float* weights;
  const float* turned;
  float *x, *kept, *scratch;

  static long size(const Shape& s, long n) {
    return n * s.D + s.blocks * Kept::size(s, n) + Scratch::size(s, n);
  }
  Arrays<const float> arrays(long block) const {
    return {s, weights + s.positions * s.D + block * s.block_size()};
  }
  const float* final_norm() const { return weights + s.size() - 2 * s.D; }
  Kept kept_of(long block) const { return {s, n, kept + block * Kept::size(s, n)}; }
  long position(long t) const { return s.from_first ? t : n - 1 - t; }
  Masks masks() const {
    return {in.masks ? in.masks + first * s.D : nullptr, in.mask_stride, s.D};
  }

  // x (n, D) becomes the states before the final norm; with `last`, in its last row alone.
  void forward(bool last = false) const {
    const long D = s.D;
    for (long t = 0; t < n; t++) {
      std::memcpy(x + t * D, in.x + (first + t) * D, sizeof(float) * D);
      add(x + t * D, weights + position(t) * D, D);
    }
    const Masks all_masks = masks();
    if (all_masks.base) multiply(x, all_masks.row(0, 0), n * D);
    for (long b = 0; b < s.blocks; b++) {
      const Turned t(s, const_cast<float*>(turned) + b * s.turned_size());
      const Masks own = all_masks.from(1 + b * s.masks());
      const auto step = s.kind == SASREC ? sasrec_forward : pre_norm_forward;
      const long rows_from = last && b == s.blocks - 1 ? n - 1 : 0;
      step(s, arrays(b), t, own, n, x, kept_of(b), Scratch(s, n, scratch), rows_from);
    }
  }

  // g (n, D): gradient of the states, on return that of the items; adds to `gradient` (size).
  void backward(float* g, float* gradient, const float* normal, const float* rate) const {
    const long D = s.D;
    float* to_final = gradient + s.size() - 2 * D;
    norm_back(n, D, g, normal, rate, final_norm(), to_final, to_final + D, g, false);
    const Masks all_masks = masks();
    for (long b = s.blocks - 1; b >= 0; b--) {
      const Arrays<float> to(s, gradient + s.positions * D + b * s.block_size());
      const Masks own = all_masks.from(1 + b * s.masks());
      const auto step = s.kind == SASREC ? sasrec_back : pre_norm_back;
      step(s, arrays(b), to, own, n, g, kept_of(b), Scratch(s, n, scratch));
    }
    if (all_masks.base) multiply(g, all_masks.row(0, 0), n * D);
    for (long t = 0; t < n; t++) add(gradient + position(t) * D, g + t * D, D);
  }
};

void turn(const Shape& s, const float* weights, float* turned) {
  for (long b = 0; b < s.blocks; b++)
    Turned(s, turned + b * s.turned_size())
        .fill(s, {s, weights + s.positions * s.D + b * s.block_size()});
}

long longest(const Windows& w) { return *std::max_element(w.length, w.length + w.count); }

Window window_of(const Inputs& in, const Windows& w, long i, const float* turned, float* at) {
  const Shape& s = in.shape;
  const long n = w.length[i];
  return {in, s, w.first[i], n, in.weights + w.set[i] * in.weight_stride, turned,
          at, at + n * s.D, at + n * s.D + s.blocks * Kept::size(s, n)};
}

}  // namespace

extern "C" {

// States (T, D) after each position of the windows; what lies between windows is left alone.
void encoder_forward(const Inputs* in, const Windows* w, float* states, long threads) {
  if (w->count == 0) return;
  const Shape& s = in->shape;
  const bool by_set = in->weight_stride != 0;
  const long turned_size = s.blocks * s.turned_size(), most = up(longest(*w), 16);
  const Buffer shared(by_set ? 0 : turned_size);
  if (!by_set) turn(s, in->weights, shared.data());
  const std::vector<long> begins = chunks_of(*w, by_set);
  in_parallel((long)begins.size() - 1, threads, [&](long c) {
    float* at = memory(turned_size + Window::size(s, most) + most * (s.D + 1));
    const float* turned = by_set ? at : shared.data();
    if (by_set) turn(s, in->weights + w->set[begins[c]] * in->weight_stride, at);
    float *normal = at + turned_size, *rate = normal + most * s.D, *own = rate + most;
    for (long i = begins[c]; i < begins[c + 1]; i++) {
      const Window one = window_of(*in, *w, i, turned, own);
      one.forward();
      norm(one.n, s.D, one.x, one.final_norm(), one.final_norm() + s.D, normal, rate,
           states + one.first * s.D);
    }
  });
}

// States (W, D) after the last position of each window, by one set of weights.
void encoder_last(const Inputs* in, const Windows* w, float* states, long threads) {
  if (w->count == 0) return;
  const Shape& s = in->shape;
  const long most = up(longest(*w), 16);
  const Buffer shared(s.blocks * s.turned_size());
  turn(s, in->weights, shared.data());
  const std::vector<long> begins = chunks_of(*w, false);
  in_parallel((long)begins.size() - 1, threads, [&](long c) {
    float *normal = memory(Window::size(s, most) + s.D + 16), *rate = normal + s.D;
    for (long i = begins[c]; i < begins[c + 1]; i++) {
      const Window one = window_of(*in, *w, i, shared.data(), rate + 16);
      one.forward(true);
      norm(1, s.D, one.x + (one.n - 1) * s.D, one.final_norm(), one.final_norm() + s.D, normal,
           rate, states + i * s.D);
    }
  });
}

// From gradients of the states (T, D): of the items (T, D), and of the weights, added to
// `gradient` (sets, size) with its stride; 0 sums over all windows.
void encoder_backward(const Inputs* in, const Windows* w, const float* to_states, float* to_items,
                      float* gradient, long gradient_stride, long threads) {
  if (w->count == 0) return;
  const Shape& s = in->shape;
  const bool by_set = in->weight_stride != 0 || gradient_stride != 0;
  const long turned_size = s.blocks * s.turned_size(), most = up(longest(*w), 16);
  const Buffer shared(in->weight_stride ? 0 : turned_size);
  if (!in->weight_stride) turn(s, in->weights, shared.data());
  const std::vector<long> begins = chunks_of(*w, by_set);
  const long chunks = (long)begins.size() - 1;
  // Sums of a chunk are its own, added up in order: no bit hangs on the number of threads.
  const bool is_summed = gradient_stride == 0 && chunks > 1;
  const long size = up(s.size(), 16);
  const Buffer sums(is_summed ? chunks * size : 0);
  in_parallel(chunks, threads, [&](long c) {
    const long set = w->set[begins[c]];
    float* at = memory(turned_size + Window::size(s, most) + most * (3 * s.D + 1));
    const float* turned = in->weight_stride ? at : shared.data();
    if (in->weight_stride) turn(s, in->weights + set * in->weight_stride, at);
    float* to = is_summed ? sums.data() + c * size : gradient + set * gradient_stride;
    if (is_summed) std::memset(to, 0, sizeof(float) * size);
    float *normal = at + turned_size, *rate = normal + most * s.D, *states = rate + most;
    float *g = states + most * s.D, *own = g + most * s.D;
    for (long i = begins[c]; i < begins[c + 1]; i++) {
      const Window one = window_of(*in, *w, i, turned, own);
      one.forward();
      norm(one.n, s.D, one.x, one.final_norm(), one.final_norm() + s.D, normal, rate, states);
      std::memcpy(g, to_states + one.first * s.D, sizeof(float) * one.n * s.D);
      one.backward(g, to, normal, rate);
      std::memcpy(to_items + one.first * s.D, g, sizeof(float) * one.n * s.D);
    }
  });
  for (long c = 0; is_summed && c < chunks; c++)
    for (long i = 0; i < s.size(); i++) gradient[i] += sums.data()[c * size + i];
}
}
