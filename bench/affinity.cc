#include "affinity.h"

#include <sched.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

const cpu_set_t& AllowedCores() {
  static const cpu_set_t allowed = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    return set;
  }();
  return allowed;
}

// Puts the calling thread on the core with this index, counted from the last that is allowed.
void MoveToCore(int index) {
  for (int core = CPU_SETSIZE; core-- > 0;) {
    if (!CPU_ISSET(core, &AllowedCores()) || index-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

}  // namespace

OneCore::OneCore(bool engaged) : engaged_(engaged) {
  AllowedCores();  // What they are before they are changed.
  if (engaged_) MoveToCore(0);
}

OneCore::~OneCore() {
  if (engaged_) sched_setaffinity(0, sizeof(cpu_set_t), &AllowedCores());
}

void RequireCores(int threads) {
  const int cores = CPU_COUNT(&AllowedCores());
  if (threads >= 1 && threads <= cores) return;
  std::fprintf(stderr, "matmul_bench: %d threads wanted, this process may use %d cores\n", threads, cores);
  std::exit(1);
}

double SumOverThreads(int threads, const std::function<double(int)>& function) {
  AllowedCores();
  std::atomic<int> waiting(threads);
  std::vector<double> results(size_t(threads), 0);
  std::vector<std::thread> workers;
  for (int index = 0; index < threads; index++) {
    workers.emplace_back([&, index] {
      MoveToCore(index);
      waiting--;
      while (waiting > 0) std::this_thread::yield();
      results[size_t(index)] = function(index);
    });
  }
  double sum = 0;
  for (int index = 0; index < threads; index++) {
    workers[size_t(index)].join();
    sum += results[size_t(index)];
  }
  return sum;
}
