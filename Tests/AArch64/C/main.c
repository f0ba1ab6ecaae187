// Compares kernels with their portable twins, bit by bit, on arguments drawn at random.
//
// usage: kernels [-i SET] [-k KERNEL] [-n CASES] [-c CASE] [-s SEED]
//        kernels -l
//        kernels -p KERNEL ROWS OUTPUTS CHANNELS WEIGHT-BITS ACTIVATION-BITS GROUP-LENGTH TIMES
//
//   -i SET     kernels of this instruction set and of those before it: neon, dotprod, i8mm (default: all)
//   -k KERNEL  this one alone
//   -n CASES   of the slowest kernels, and a multiple of the others (default 50); of -k just as many
//   -c CASE    the number of the first one (default 0): with -n 1 a case that failed runs alone
//   -s SEED    what all is drawn from (default 1)
//   -l         lists instruction sets and kernels
//   -p         calls a kernel of matrices and checks nothing
//
// Each kernel's line has a hash of what the portable kernel gave for its cases. The program of another architecture is
// compiled with PORTABLE_ONLY: it computes those results alone, and has to print the same lines.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static uint32_t case_count = 50, first_case;
static uint64_t seed = 1;
static long cases_run, passed, failed;

static void run_kernel(const kernel *kernel, uint32_t count) {
  uint32_t i;
  begin_kernel(kernel, seed);
  for (i = 0; i < count; i++) {
    begin_case(first_case + i);
    kernel->check(kernel);
    end_case();
  }
  printf("%s %s: %u cases, portable %016llx", failed_cases() ? "FAILED" : "ok    ", kernel->name, count,
         (unsigned long long)hash_of_results());
  if (failed_cases()) printf(", %ld differ", failed_cases());
  printf("\n");
  fflush(stdout);
  if (failed_cases()) {
    failed++;
  } else {
    passed++;
  }
  cases_run += count;
}

// Says which case touched what it must not, and ends as the signal would have.
static void crashed(int signal_number) {
  complain("touched what is not its own");
  fflush(stdout);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

static size_t rank(const char *instruction_set) {
  size_t i;
  for (i = 0; i < INSTRUCTION_SETS; i++)
    if (!strcmp(instruction_sets[i], instruction_set)) return i;
  fprintf(stderr, "kernels: no instruction set %s\n", instruction_set);
  exit(2);
}

static const kernel *named(const char *name) {
  size_t i;
  for (i = 0; i < kernel_count; i++)
    if (!strcmp(kernels[i].name, name)) return &kernels[i];
  fprintf(stderr, "kernels: no kernel %s\n", name);
  exit(2);
}

static void list(void) {
  size_t i;
  for (i = 0; i < kernel_count; i++) printf("%s %s\n", kernels[i].instruction_set, kernels[i].name);
}

static int run_product(char **words) {
  product shape;
  shape.rows = (uint32_t)atoi(words[1]);
  shape.outputs = (uint32_t)atoi(words[2]);
  shape.channels = (uint32_t)atoi(words[3]);
  shape.weight_bits = (uint32_t)atoi(words[4]);
  shape.activation_bits = (uint32_t)atoi(words[5]);
  shape.group_length = (uint32_t)atoi(words[6]);
  if (multiply(named(words[0]), shape, (uint32_t)atoi(words[7]))) return 0;
  fprintf(stderr, "kernels: %s does not take that\n", words[0]);
  return 2;
}

int main(int count, char **words) {
  const kernel *only = NULL;
  size_t highest = INSTRUCTION_SETS - 1, i;
  int option;
  if (count == 10 && !strcmp(words[1], "-p")) return run_product(words + 2);
  while ((option = getopt(count, words, "i:k:n:c:s:l")) != -1) {
    switch (option) {
      case 'i': highest = rank(optarg); break;
      case 'k': only = named(optarg); break;
      case 'n': case_count = (uint32_t)strtoul(optarg, NULL, 0); break;
      case 'c': first_case = (uint32_t)strtoul(optarg, NULL, 0); break;
      case 's': seed = strtoull(optarg, NULL, 0); break;
      case 'l': list(); return 0;
      default: return 2;
    }
  }
  if (optind != count || !case_count) return 2;
  signal(SIGSEGV, crashed);
  signal(SIGBUS, crashed);
  printf("seed %llu\n", (unsigned long long)seed);
  fflush(stdout);
  if (only) run_kernel(only, case_count);
  for (i = 0; !only && i < kernel_count; i++)
    if (rank(kernels[i].instruction_set) <= highest) run_kernel(&kernels[i], case_count * kernels[i].weight);
  printf("%ld cases\n%ld passed, %ld failed\n", cases_run, passed, failed);
  return failed || !passed;
}
