// Every kernel entry point, by name: snq_<operation>_<layout>_<tile>__<isa>.
#ifndef SONIQ_KERNEL_PROTOTYPES_H
#define SONIQ_KERNEL_PROTOTYPES_H

#endif
