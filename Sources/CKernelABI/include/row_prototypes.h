// Row operation kernels: quantiser, layer norm, activations, addition, lookup, attention.
#ifndef SONIQ_ROW_PROTOTYPES_H
#define SONIQ_ROW_PROTOTYPES_H

#endif
