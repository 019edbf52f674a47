// What compiles as C compiles as C++.
#include "unit/libeshm/basics.c"
