// Thread-local variables on AArch64. Each has a descriptor in the library, the address of a function and a word for it,
// which the dynamic linker fills in. While it has room in what every thread gets when it is made, its function only reads
// the word; later ones allocate when a thread first asks. In the place of those comes one that finds the variable in
// thread_storage.c.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "thread_storage.h"

#ifdef __aarch64__
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define HIDDEN __attribute__((visibility("hidden")))

typedef struct {
  const uint32_t *function;
  uintptr_t word;
} descriptor;

// A variable whose descriptor is ours now.
typedef struct {
  descriptor former;  // first: its function is called with the address of it, where a thread has no storage of ours
  size_t offset;
  descriptor *place;
} variable;

enum { VARIABLES = 32 };
static variable variables[VARIABLES];
static size_t variableCount;

// Where the library begins: made by the linker. Weak: a program without a dynamic linker may have none.
extern HIDDEN __attribute__((weak)) const Elf64_Ehdr __ehdr_start;

HIDDEN void *snq_tls_find(const variable *variable);
void *snq_tls_find(const variable *variable) { return snq_thread_storage(variable->offset); }

// Called with the descriptor's address in x0. Gives back the variable's distance from the thread pointer, and leaves
// every other register as it was: the compiler counts on it.
extern HIDDEN const uint32_t snq_tls_resolve[];
__asm__(
    ".pushsection .text.snq_tls_resolve, \"ax\", %progbits\n"
    ".p2align 4\n"
    ".globl snq_tls_resolve\n"
    ".hidden snq_tls_resolve\n"
    ".type snq_tls_resolve, %function\n"
    "snq_tls_resolve:\n"
    ".cfi_startproc\n"
    "sub sp, sp, #688\n"
    ".cfi_def_cfa_offset 688\n"
    "stp x29, x30, [sp]\n"
    ".cfi_offset 29, -688\n"
    ".cfi_offset 30, -680\n"
    "mov x29, sp\n"
    "stp x1, x2, [sp, #16]\n"
    "stp x3, x4, [sp, #32]\n"
    "stp x5, x6, [sp, #48]\n"
    "stp x7, x8, [sp, #64]\n"
    "stp x9, x10, [sp, #80]\n"
    "stp x11, x12, [sp, #96]\n"
    "stp x13, x14, [sp, #112]\n"
    "stp x15, x16, [sp, #128]\n"
    "stp x17, x18, [sp, #144]\n"
    "mrs x1, nzcv\n"
    "ldr x0, [x0, #8]\n"
    "stp x0, x1, [sp, #160]\n"
    "add x9, sp, #176\n"
    "st1 {v0.2d-v3.2d}, [x9], #64\n"
    "st1 {v4.2d-v7.2d}, [x9], #64\n"
    "st1 {v8.2d-v11.2d}, [x9], #64\n"
    "st1 {v12.2d-v15.2d}, [x9], #64\n"
    "st1 {v16.2d-v19.2d}, [x9], #64\n"
    "st1 {v20.2d-v23.2d}, [x9], #64\n"
    "st1 {v24.2d-v27.2d}, [x9], #64\n"
    "st1 {v28.2d-v31.2d}, [x9]\n"
    "bl snq_tls_find\n"
    "cbz x0, 1f\n"
    "mrs x1, tpidr_el0\n"
    "sub x0, x0, x1\n"
    "b 2f\n"
    "1:\n"
    "ldr x0, [sp, #160]\n"
    "ldr x1, [x0]\n"
    "blr x1\n"
    "2:\n"
    "add x9, sp, #176\n"
    "ld1 {v0.2d-v3.2d}, [x9], #64\n"
    "ld1 {v4.2d-v7.2d}, [x9], #64\n"
    "ld1 {v8.2d-v11.2d}, [x9], #64\n"
    "ld1 {v12.2d-v15.2d}, [x9], #64\n"
    "ld1 {v16.2d-v19.2d}, [x9], #64\n"
    "ld1 {v20.2d-v23.2d}, [x9], #64\n"
    "ld1 {v24.2d-v27.2d}, [x9], #64\n"
    "ld1 {v28.2d-v31.2d}, [x9]\n"
    "ldr x1, [sp, #168]\n"
    "msr nzcv, x1\n"
    "ldp x1, x2, [sp, #16]\n"
    "ldp x3, x4, [sp, #32]\n"
    "ldp x5, x6, [sp, #48]\n"
    "ldp x7, x8, [sp, #64]\n"
    "ldp x9, x10, [sp, #80]\n"
    "ldp x11, x12, [sp, #96]\n"
    "ldp x13, x14, [sp, #112]\n"
    "ldp x15, x16, [sp, #128]\n"
    "ldp x17, x18, [sp, #144]\n"
    "ldp x29, x30, [sp]\n"
    ".cfi_restore 30\n"
    ".cfi_restore 29\n"
    "add sp, sp, #688\n"
    ".cfi_def_cfa_offset 0\n"
    "ret\n"
    ".cfi_endproc\n"
    ".size snq_tls_resolve, . - snq_tls_resolve\n"
    ".popsection\n");

// Whether a descriptor's function reads its word and no more: ldr x0, [x0, #8]; ret.
static bool is_static(const descriptor *descriptor) {
  const uint32_t *code = descriptor->function;
  if (*code == 0xd503245f) code++;  // bti c
  return code[0] == 0xf9400400 && code[1] == 0xd65f03c0;
}

// Notes the descriptors of one table of relocations. False where variables are found in another way too, which would
// not see what is written through ours, or there are more than we have places for.
static bool note_descriptors(const Elf64_Rela *relocations, size_t byteCount) {
  const char *base = (const char *)&__ehdr_start;
  for (size_t index = 0; index < byteCount / sizeof *relocations; index++) {
    const Elf64_Rela *relocation = &relocations[index];
    unsigned long type = ELF64_R_TYPE(relocation->r_info);
    // What has a name may be another library's.
    if (ELF64_R_SYM(relocation->r_info) != 0) continue;
    if (type == R_AARCH64_TLS_DTPMOD || type == R_AARCH64_TLS_TPREL) return false;
    if (type != R_AARCH64_TLSDESC) continue;
    if (variableCount == VARIABLES) return false;
    descriptor *place = (descriptor *)(base + relocation->r_offset);
    variables[variableCount++] = (variable){*place, (size_t)relocation->r_addend, place};
  }
  return true;
}

// The relocations of the library. The dynamic linker may have added where the library begins to their addresses, and has
// no work for us in the first ones, which are many.
static bool note_all(const Elf64_Dyn *dynamic) {
  uintptr_t base = (uintptr_t)&__ehdr_start, tables[2] = {0}, byteCounts[2] = {0}, relative = 0;
  for (; dynamic->d_tag != DT_NULL; dynamic++) {
    uintptr_t value = dynamic->d_un.d_val;
    if (dynamic->d_tag == DT_RELA) tables[0] = value < base ? base + value : value;
    if (dynamic->d_tag == DT_RELASZ) byteCounts[0] = value;
    if (dynamic->d_tag == DT_RELACOUNT) relative = value * sizeof(Elf64_Rela);
    if (dynamic->d_tag == DT_JMPREL) tables[1] = value < base ? base + value : value;
    if (dynamic->d_tag == DT_PLTRELSZ) byteCounts[1] = value;
  }
  return note_descriptors((const Elf64_Rela *)(tables[0] + relative), byteCounts[0] - relative) &&
         note_descriptors((const Elf64_Rela *)tables[1], byteCounts[1]);
}

// The pages with descriptors that the dynamic linker has made read-only.
typedef struct {
  uintptr_t start, end;
} range;

static range protected_pages(const Elf64_Phdr *segment) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = UINTPTR_MAX, last = 0;
  for (size_t index = 0; index < variableCount; index++) {
    uintptr_t place = (uintptr_t)variables[index].place;
    if (place < first) first = place;
    if (place + sizeof(descriptor) > last) last = place + sizeof(descriptor);
  }
  if (!segment) return (range){0, 0};
  // A page that the segment only begins in is protected, one that it only ends in is not.
  uintptr_t start = (uintptr_t)&__ehdr_start + segment->p_vaddr, end = start + segment->p_memsz;
  range locked = {start & -page, end & -page}, used = {first & -page, (last + page - 1) & -page};
  return (range){
      locked.start > used.start ? locked.start : used.start, locked.end < used.end ? locked.end : used.end};
}

// All or none of them, so that all threads see the same variables.
static void take_all(const Elf64_Phdr *readOnly) {
  size_t staticCount = 0;
  for (size_t index = 0; index < variableCount; index++) staticCount += is_static(&variables[index].former);
  if (staticCount == variableCount) return;
  range locked = protected_pages(readOnly);
  size_t length = locked.start < locked.end ? locked.end - locked.start : 0;
  if (length > 0 && mprotect((void *)locked.start, length, PROT_READ | PROT_WRITE) != 0) return;
  for (size_t index = 0; index < variableCount; index++)
    *variables[index].place = (descriptor){snq_tls_resolve, (uintptr_t)&variables[index]};
  if (length > 0) (void)mprotect((void *)locked.start, length, PROT_READ);
}

void snq_tls_take_descriptors(size_t capacity) {
  if (!&__ehdr_start || __ehdr_start.e_type != ET_DYN) return;
  const char *base = (const char *)&__ehdr_start;
  const Elf64_Phdr *segment = (const Elf64_Phdr *)(base + __ehdr_start.e_phoff);
  const Elf64_Phdr *dynamic = NULL, *readOnly = NULL, *storage = NULL;
  for (size_t index = 0; index < __ehdr_start.e_phnum; index++, segment++) {
    if (segment->p_type == PT_DYNAMIC) dynamic = segment;
    if (segment->p_type == PT_GNU_RELRO) readOnly = segment;
    if (segment->p_type == PT_TLS) storage = segment;
  }
  // Ours has only so much room, aligned as pointers are, and zeros at first.
  if (!dynamic || !storage || storage->p_memsz > capacity || storage->p_align > sizeof(void *)) return;
  if (storage->p_filesz > 0) return;
  if (note_all((const Elf64_Dyn *)(base + dynamic->p_vaddr))) take_all(readOnly);
}
#endif
