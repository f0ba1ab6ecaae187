// Which cores the process runs on.
#pragma once

#include <functional>

// While it lives, the calling thread runs on one core only, the last one that the process may use: interrupts
// prefer the first. Threads that are started meanwhile inherit it.
class OneCore {
 public:
  // `engaged` false: does nothing.
  explicit OneCore(bool engaged);
  ~OneCore();
  OneCore(const OneCore&) = delete;
  OneCore& operator=(const OneCore&) = delete;

 private:
  const bool engaged_;
};

// Cores that the process may use. Exits with a message when there are fewer than `threads`.
void RequireCores(int threads);

// Calls function(index) on `threads` threads at once, each on a core of its own, and adds up what they return.
double SumOverThreads(int threads, const std::function<double(int)>& function);

// Cores that others keep busy, measured while this process sleeps for a while: 0 on an idle machine.
double BusyCores();
