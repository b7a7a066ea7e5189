// One-person clients, user after user: the gradient of each at the weights that all share, and its
// update on the way to the sum, clipped or rounded.
//
// A user's softmax loss, with s_t the state after item t and e the rows of the items (tied):
//   weight * sum_t [ log(exp(s_t . e_target) + sum of exp(s_t . e_k) over open items k)
//                    - s_t . e_target ]
// Weights, gradient and activations of a user stay in the cache of a core.
#include "encoder.h"
#include "softmax.h"

struct Shared {
  Inputs encoder;       // its x and masks are set for each user
  const float* rows;    // (V + 1, D), row 0 is padding
  const float* turned;  // of rows 1 .. V
  long V;
  float scale;          // of the rows that are read
};

struct User {
  const int64_t *items, *targets;  // (n) rows that are read, and that followed
  const int64_t* lengths;          // (windows), n together
  const uint8_t* refused;          // (V) items that are no negative, or null: none but the target
  const float* masks;              // (num_masks, n, D) or null
  long windows, n;
  float weight;                    // of each target's loss
};

namespace {

// y (D) += x (D) * a
void add_scaled(float* y, const float* x, float a, long D) {
  for (long j = 0; j < D; j += LANES) store(y + j, load(y + j) + load(x + j) * a);
}

float dot(const float* a, const float* b, long D) {
  Vector s{};
  for (long j = 0; j < D; j += LANES) s += load(a + j) * load(b + j);
  return sum(s);
}

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

long turned_rows(long V, long D) { return turned_candidates(V, D); }

void turn_rows(long V, long D, const float* rows, float* turned) {
  turn_candidates(V, D, rows + D, turned);
}

// Adds a user's gradient: (V + 1, D) of the rows, then the encoder's weights as ``Shape`` lays them
// out. Returns the sum of the losses, each before its weight.
double add_user_gradient(const Shared* shared, const User* u, float* gradient) {
  const Shape& s = shared->encoder.shape;
  const long D = s.D, n = u->n;
  const float* rows = shared->rows;
  float* const to_encoder = gradient + (shared->V + 1) * D;
  thread_local Buffer held;
  float* at = held.grow(6 * n * D + 2 * n);
  auto take = [&at](long m) { float* here = at; at += m; return here; };
  float *x = take(n * D), *states = take(n * D), *to_states = take(n * D), *to_x = take(n * D);
  float *targets = take(n * D), *to_targets = take(n * D), *values = take(n), *weights = take(n);
  for (long t = 0; t < n; t++) {
    const float* row = rows + u->items[t] * D;
    for (long j = 0; j < D; j += LANES) store(x + t * D + j, load(row + j) * shared->scale);
    std::memcpy(targets + t * D, rows + u->targets[t] * D, sizeof(float) * D);
    weights[t] = u->weight;
  }
  const Windowing cut(*u);
  const Windows windows = cut.windows();
  Inputs in = shared->encoder;
  in.x = x, in.masks = u->masks, in.mask_stride = n * D;
  encoder_forward(&in, &windows, states, 1);

  const std::vector<int64_t> first_row(n, 0);
  const Candidates against{states, rows + D, u->refused ? targets : nullptr, u->refused,
                           first_row.data(), weights, n, shared->V, D, 0.0f};
  log_sum_exp_of(against, {values, to_states, gradient + D, u->refused ? to_targets : nullptr},
                 shared->turned, 1);
  double total = 0;
  for (long t = 0; t < n; t++) {
    const float *state = states + t * D, *target = targets + t * D;
    total += values[t] - dot(state, target, D);
    add_scaled(to_states + t * D, target, -u->weight, D);
    float* to = gradient + u->targets[t] * D;
    if (u->refused) add(to, to_targets + t * D, D);
    add_scaled(to, state, -u->weight, D);
  }
  encoder_backward(&in, &windows, to_states, to_x, to_encoder, 0, 1);
  for (long t = 0; t < n; t++)
    add_scaled(gradient + u->items[t] * D, to_x + t * D, shared->scale, D);
  return total;
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
// if there are chances: level = floor(rate * gradient / step + chance), at most 127. An array whose
// step is 0 is not sent.
void add_update(double* total, const float* gradient, const float* chance, const int64_t* sizes,
                const float* steps, long arrays, float rate, double share) {
  for (long a = 0; a < arrays; a++) {
    const long n = sizes[a];
    if (!chance) {
      for (long i = 0; i < n; i++) total[i] += share * (rate * gradient[i]);
    } else if (steps[a] > 0.0f) {
      const float step = steps[a], factor = rate / step;
      for (long i = 0; i < n; i++) {
        const float level = std::floor(gradient[i] * factor + chance[i]);
        total[i] += share * ((level > 127.0f ? 127.0f : level) * step);
      }
    }
    total += n, gradient += n;
    if (chance) chance += n;
  }
}
}
