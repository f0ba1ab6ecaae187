// Times contestants in turns, so that a change of the clock or a busy neighbour meets all of them alike.
#pragma once

#include <functional>
#include <string>
#include <vector>

struct Contestant {
  std::function<void()> run;            // one multiplication
  std::vector<double> round_seconds;    // of one multiplication, a value for each round
};

struct RoundRobinOptions {
  int rounds;
  double chunk_seconds;    // that each contestant is timed at a stretch
  double warm_up_seconds;  // before each chunk, untimed; at least a quarter of a chunk
  double pause_seconds;    // between two, for the threads of the one before to fall asleep
  // Time that the calling thread worked instead of time that passed: the same on an idle machine, and nearly so
  // when others take the core away now and then. For what runs on the calling thread alone.
  bool thread_time;
};

// In each round every contestant runs untimed for a while, which brings its weights into the caches and its
// threads to their cores, and is then timed for a chunk. Fewer rounds, three at least, when they would take longer
// than about 12 seconds.
void MeasureRoundRobin(std::vector<Contestant>& contestants, const RoundRobinOptions& options);

double Median(std::vector<double> values);

// Of the ratios of each round, so that both sides met the same clock.
double MedianRatio(const std::vector<double>& numerators, const std::vector<double>& denominators);
