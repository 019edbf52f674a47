// Catch2's own signal handlers would replace the ones that nodes install, in every test case anew.
#define CATCH_CONFIG_NO_POSIX_SIGNALS
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
