// Memory of threads, and work that threads share: what is computed hangs on no number of them.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

// Floats that begin at a cache line: a vector across two of them costs two loads.
class Buffer {
 public:
  explicit Buffer(long size = 0) { grow(size); }
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  float* data() const { return data_; }
  float* grow(long size) {
    if (size > size_) {
      std::free(data_);
      size_ = (size + 15) / 16 * 16;
      data_ = static_cast<float*>(std::aligned_alloc(64, sizeof(float) * size_));
      if (!data_) throw std::bad_alloc();
    }
    return data_;
  }

 private:
  float* data_ = nullptr;
  long size_ = 0;
};

// Memory of a thread, kept from call to call: fresh pages cost as much as a product.
static inline float* memory(long size) {
  thread_local Buffer held;
  return held.grow(size);
}

// work(0), work(1), ..., each by one of so many threads.
template <typename Work>
static inline void in_parallel(long count, long threads, Work work) {
  threads = std::min(threads, count);
  std::atomic<long> next{0};
  auto loop = [&] {
    for (long i; (i = next++) < count;) work(i);
  };
  std::vector<std::thread> others;
  for (long t = 1; t < threads; t++) others.emplace_back(loop);
  loop();
  for (auto& one : others) one.join();
}
