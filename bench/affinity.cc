#include "affinity.h"
#include "isa.h"

#include <sched.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
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

// Seconds that all cores together have worked since the start of the machine.
double BusySeconds() {
  std::ifstream file("/proc/stat");
  std::string name;
  double user = 0, nice = 0, system = 0;
  file >> name >> user >> nice >> system;
  return (user + nice + system) / double(sysconf(_SC_CLK_TCK));
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
  std::fprintf(stderr, "%s: %d threads wanted, this process may use %d cores\n", ProgramName(), threads, cores);
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

double BusyCores() {
  constexpr std::chrono::milliseconds kWhile(500);
  const double before = BusySeconds();
  std::this_thread::sleep_for(kWhile);
  return (BusySeconds() - before) / std::chrono::duration<double>(kWhile).count();
}
