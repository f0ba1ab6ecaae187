#ifndef SONIQ_H
#define SONIQ_H
#endif
