// The options of a program: --name=value.
#pragma once

#include <map>
#include <string>
#include <vector>

using Options = std::map<std::string, std::string>;

// Takes the options that have a default out of argv, and leaves the others to Google Benchmark.
Options TakeOptions(Options defaults, int& argc, char** argv);

// The parts of a list, "a,b,c".
std::vector<std::string> Split(const std::string& text);

int Number(const Options& options, const char* name);

// "chunk-milliseconds", which both programs have.
double ChunkSeconds(const Options& options);

// Whether --benchmark_out=FILE is there: a reporter for the file may be given only when there is a file.
bool WritesFile(int argc, char** argv);
