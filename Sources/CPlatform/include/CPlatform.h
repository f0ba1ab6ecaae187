// Operating system glue that Swift cannot spell: CPU tests, futex, threads. Headers only.
#ifndef SONIQ_CPLATFORM_H
#define SONIQ_CPLATFORM_H
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "build_text.h"
#include "cpu_feature_names.h"
#include "cache_size.h"
#include "cpu_features.h"
#include "error_record.h"
#include "float_state.h"
#include "threads.h"
#endif
