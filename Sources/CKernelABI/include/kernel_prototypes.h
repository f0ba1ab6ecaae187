// Every kernel entry point, by name: snq_<operation>_<layout>_<tile>__<isa>.
#ifndef SONIQ_KERNEL_PROTOTYPES_H
#define SONIQ_KERNEL_PROTOTYPES_H

#include "matmul_prototypes.h"
#include "row_prototypes.h"

#endif
