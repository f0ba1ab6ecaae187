// The installed header, found through pkg-config.
#include <soniq.h>
