// One-person clients, user after user: the gradient of each at the weights that all share, several
// SGD steps on weights of its own, and its update on the way to the sum, clipped or rounded.
// Weights, gradient and activations of a user stay in the cache of a core.
#include "user_loss.h"

namespace {

struct Windowing {
  std::vector<int64_t> first, length, set;
  explicit Windowing(const User& u) : length(u.lengths, u.lengths + u.windows), set(u.windows) {
    int64_t at = 0;
    for (int64_t n : length) first.push_back(at), at += n;
  }
  Windows windows() const { return {first.data(), length.data(), set.data(), (long)set.size()}; }
};

}  // namespace

extern "C" {

long turned_rows(long rows, long D) { return turned_candidates(rows - 1, D); }

void turn_rows(long count, long D, const float* rows, float* turned) {
  turn_candidates(count - 1, D, rows + D, turned);
}

// Adds a user's gradient: (R, D) of the rows, then the encoder's weights as ``Shape`` lays them out.
// Returns the sum of the losses, each before its weight.
double add_user_gradient(const Shared* shared, const User* u, float* gradient) {
  const Shape& s = shared->encoder.shape;
  const long D = s.D, n = u->n;
  thread_local Buffer held;
  float* at = held.grow(4 * n * D);
  auto take = [&at](long m) { float* here = at; at += m; return here; };
  float *x = take(n * D), *states = take(n * D), *to_states = take(n * D), *to_x = take(n * D);
  for (long t = 0; t < n; t++) {
    const float* row = shared->rows + u->items[t] * D;
    for (long j = 0; j < D; j += LANES) store(x + t * D + j, load(row + j) * shared->scale);
  }
  const Windowing cut(*u);
  const Windows windows = cut.windows();
  Inputs in = shared->encoder;
  in.x = x, in.masks = u->masks, in.mask_stride = n * D;
  encoder_forward(&in, &windows, states, 1);
  const double total = u->loss == PAIRWISE || u->loss == BINARY
                           ? own_negatives(*shared, *u, states, to_states, gradient)
                           : softmax(*shared, *u, states, to_states, gradient);
  encoder_backward(&in, &windows, to_states, to_x, gradient + shared->count * D, 0, 1);
  for (long t = 0; t < n; t++)
    add_scaled(gradient + u->items[t] * D, to_x + t * D, shared->scale, D);
  return total;
}

// SGD steps of a user on weights of its own, whose gradient (size) is scratch. Each step is
//   w <- w - rate * (g + decay * w + pull * (w - start)).
// `losses` (steps) are the sums of each step's losses.
void train_user(const Shared* own, const User* steps, long count, float* weights, float* gradient,
                const float* start, long size, const Descent* d, double* losses) {
  for (long step = 0; step < count; step++) {
    std::memset(gradient, 0, sizeof(float) * size);
    if (own->turned)
      turn_rows(own->count, own->encoder.shape.D, own->rows, const_cast<float*>(own->turned));
    losses[step] = add_user_gradient(own, steps + step, gradient);
    const float pull = step ? d->pull : 0.0f;  // the first one is where it started
    const float rest = 1.0f - d->rate * (d->decay + pull), back = d->rate * pull;
    for (long i = 0; i < size; i++)
      weights[i] = weights[i] * rest + start[i] * back - gradient[i] * d->rate;
  }
}

// Of arrays of so many numbers one behind the other: the sum of all squares, and the largest size of
// each array's numbers. The sum is no number where one of them is none.
double measure(const float* gradient, const int64_t* sizes, long arrays, float* largest) {
  double squares = 0;
  for (long a = 0; a < arrays; a++) {
    Vector most{}, lanes{};
    float rest = 0, top = 0;
    long i = 0;
    for (const long whole = sizes[a] / LANES * LANES; i < whole;) {
      // Sums of float32 stay short, so that they keep their digits.
      for (const long past = std::min(whole, i + 64 * LANES); i < past; i += LANES) {
        const Vector v = load(gradient + i);
        lanes += v * v;
        most = larger(most, v < 0.0f ? -v : v);
      }
      squares += sum(lanes);
      lanes = Vector{};
    }
    for (; i < sizes[a]; i++) {
      rest += gradient[i] * gradient[i];
      top = std::max(top, std::abs(gradient[i]));
    }
    squares += rest;
    largest[a] = std::max(top, ::largest(most));
    gradient += sizes[a];
  }
  return squares;
}

// total += share * update, where the update is rate * gradient, in whole multiples of an array's step
// if there are chances: level = floor(rate * gradient / step + chance), within 127. An array whose
// step is 0 is not sent. The first array has rows (R, D), which go to the rows `places` (R) of the
// total's first array, `whole` numbers long.
void add_update(double* total, const float* gradient, const float* chance, const int64_t* sizes,
                const float* steps, long arrays, float rate, double share, const int64_t* places,
                long D, long whole) {
  for (long a = 0; a < arrays; a++) {
    const bool is_rows = a == 0;
    const long width = is_rows ? D : sizes[a], parts = sizes[a] / width;
    const float step = chance ? steps[a] : 0.0f, factor = chance ? rate / step : rate;
    for (long p = 0; p < parts && !(chance && step <= 0.0f); p++) {
      double* to = total + (is_rows ? places[p] * D : 0);
      const float *g = gradient + p * width, *c = chance + p * width;
      if (!chance)
        for (long i = 0; i < width; i++) to[i] += share * (factor * g[i]);
      else
        for (long i = 0; i < width; i++) {
          const float level = std::floor(g[i] * factor + c[i]);
          const float least = level < -127.0f ? -127.0f : level;  // rounding may leave -127
          to[i] += share * ((least > 127.0f ? 127.0f : least) * step);
        }
    }
    total += is_rows ? whole : sizes[a], gradient += sizes[a];
    if (chance) chance += sizes[a];
  }
}
}
