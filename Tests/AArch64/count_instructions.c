// A plugin of QEMU that says how many instructions a program executed: qemu-aarch64 -plugin ./FILE.so PROGRAM
//
// The emulator's package may lack qemu-plugin.h, so the little that is needed of it is declared here. API is the
// version of its interface, of which every emulator takes some.
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#define EXPORTED __attribute__((visibility("default")))

typedef uint64_t plugin;
struct qemu_plugin_tb;
void qemu_plugin_register_vcpu_tb_trans_cb(plugin id, void (*translated)(plugin id, struct qemu_plugin_tb *block));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*executed)(unsigned cpu, void *data),
                                          int registers, void *data);
void qemu_plugin_register_atexit_cb(plugin id, void (*ended)(plugin id, void *data), void *data);

EXPORTED int qemu_plugin_version = API;
EXPORTED int qemu_plugin_install(plugin id, const void *emulator, int count, char **words);

static uint64_t total;

static void executed(unsigned cpu, void *count) {
  (void)cpu;
  total += (uintptr_t)count;
}

static void translated(plugin id, struct qemu_plugin_tb *block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_cb(block, executed, 0, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void ended(plugin id, void *data) {
  (void)id;
  (void)data;
  fprintf(stderr, "instructions %" PRIu64 "\n", total);
}

int qemu_plugin_install(plugin id, const void *emulator, int count, char **words) {
  (void)emulator;
  (void)count;
  (void)words;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, ended, NULL);
  return 0;
}
