#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "mappings.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RECORDS_AT_ONCE = 1000 };

typedef struct record_block {
  struct record_block *next;
  snq_mapping records[RECORDS_AT_ONCE];
} record_block;

static record_block *blocks;
static snq_mapping *unused;

static size_t round_up(size_t value, size_t unit) {
  return value > SIZE_MAX - (unit - 1) ? 0 : (value + unit - 1) / unit * unit;
}

static void *map_pages(size_t length) {
  void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

static snq_mapping *take_record(void) {
  if (!unused) {
    record_block *block = map_pages(sizeof *block);
    if (!block) return NULL;
    block->next = blocks;
    blocks = block;
    for (int index = RECORDS_AT_ONCE - 1; index >= 0; index--) {
      block->records[index].next = unused;
      unused = &block->records[index];
    }
  }
  snq_mapping *record = unused;
  unused = record->next;
  return record;
}

static void give_record(snq_mapping *record) {
  record->next = unused;
  unused = record;
}

// Maps more than is asked for and cuts off what is before and behind.
static char *map_aligned(size_t length, size_t alignment) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t slack = alignment > page ? alignment - page : 0;
  if (length > SIZE_MAX - slack) return NULL;
  char *start = map_pages(length + slack);
  if (!start || slack == 0) return start;
  size_t before = round_up((size_t)start, alignment) - (size_t)start;
  if (before > 0) munmap(start, before);
  if (slack > before) munmap(start + before + length, slack - before);
  return start + before;
}

void *snq_mapping_add(snq_mapping **list, size_t length, size_t alignment) {
  length = round_up(length, (size_t)sysconf(_SC_PAGESIZE));
  snq_mapping *record = length > 0 ? take_record() : NULL;
  if (!record) return NULL;
  record->start = map_aligned(length, alignment);
  if (!record->start) {
    give_record(record);
    return NULL;
  }
  record->length = length;
  record->next = *list;
  *list = record;
  return record->start;
}

// Takes `start`..<`end` off one record, which it overlaps; true when the record may stay.
static bool cut(snq_mapping **list, snq_mapping *record, char *start, char *end) {
  char *record_end = record->start + record->length;
  if (start > record->start && end < record_end) {
    snq_mapping *rest = take_record();
    // Without a record for it, the rest stays mapped when the list is removed. 56 bytes of bookkeeping were not to be had.
    if (rest) {
      *rest = (snq_mapping){end, (size_t)(record_end - end), *list};
      *list = rest;
    }
    record->length = (size_t)(start - record->start);
  } else if (start > record->start) {
    record->length = (size_t)(start - record->start);
  } else {
    record->start = end < record_end ? end : record_end;
    record->length = (size_t)(record_end - record->start);
  }
  return record->length > 0;
}

bool snq_mapping_remove(snq_mapping **list, void *memory, size_t length) {
  char *start = memory, *end = start + round_up(length, (size_t)sysconf(_SC_PAGESIZE));
  size_t found = 0;
  for (snq_mapping **link = list; *link;) {
    snq_mapping *record = *link;
    char *from = record->start > start ? record->start : start;
    char *record_end = record->start + record->length;
    char *to = record_end < end ? record_end : end;
    if (from < to) {
      found += (size_t)(to - from);
      if (!cut(list, record, from, to)) {
        // `cut` may have put a record before the first one.
        while (*link != record) link = &(*link)->next;
        *link = record->next;
        give_record(record);
        if (found == (size_t)(end - start)) break;
        continue;
      }
      if (found == (size_t)(end - start)) break;
    }
    link = &record->next;
  }
  return munmap(start, (size_t)(end - start)) == 0 && found == (size_t)(end - start);
}

void snq_mapping_remove_all(snq_mapping **list) {
  while (*list) {
    snq_mapping *record = *list;
    *list = record->next;
    munmap(record->start, record->length);
    give_record(record);
  }
}

void snq_mapping_forget_records(void) {
  unused = NULL;
  while (blocks) {
    record_block *next = blocks->next;
    munmap(blocks, sizeof *blocks);
    blocks = next;
  }
}
