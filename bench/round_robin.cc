#include "round_robin.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

namespace {

constexpr double kGroupSeconds = 12;
constexpr int kFewestRounds = 3;

double Now(bool thread_time) {
  timespec time;
  clock_gettime(thread_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

double SecondsOf(const std::function<void()>& run, long calls, bool thread_time) {
  const double start = Now(thread_time);
  for (; calls > 0; calls--) run();
  return Now(thread_time) - start;
}

}  // namespace

void MeasureRoundRobin(std::vector<Contestant>& contestants, const RoundRobinOptions& options) {
  std::vector<long> calls, warm_up_calls;
  double round_seconds = 0;
  for (Contestant& contestant : contestants) {
    contestant.run();
    const double once = SecondsOf(contestant.run, 1, options.thread_time);
    const auto calls_in = [once](double seconds) { return std::max(1L, std::lround(seconds / once)); };
    calls.push_back(calls_in(options.chunk_seconds));
    warm_up_calls.push_back(calls_in(std::max(options.warm_up_seconds, options.chunk_seconds / 4)));
    round_seconds += once * double(calls.back() + warm_up_calls.back()) + options.pause_seconds;
  }
  const int rounds = std::clamp(int(kGroupSeconds / round_seconds), kFewestRounds, std::max(options.rounds, kFewestRounds));
  for (int round = 0; round < std::min(rounds, options.rounds); round++) {
    for (size_t i = 0; i < contestants.size(); i++) {
      // Another neighbour before it each round would need all orders; another first one is cheap.
      const size_t turn = (i + size_t(round)) % contestants.size();
      if (options.pause_seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(options.pause_seconds));
      SecondsOf(contestants[turn].run, warm_up_calls[turn], options.thread_time);
      const double seconds = SecondsOf(contestants[turn].run, calls[turn], options.thread_time);
      contestants[turn].round_seconds.push_back(seconds / double(calls[turn]));
    }
  }
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double MedianRatio(const std::vector<double>& numerators, const std::vector<double>& denominators) {
  std::vector<double> ratios;
  for (size_t i = 0; i < numerators.size(); i++) ratios.push_back(numerators[i] / denominators[i]);
  return Median(ratios);
}
