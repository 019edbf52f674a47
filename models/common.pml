/* What all models share. See README.md for how deaths, stops and store buffers are modelled. */

#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define MIN(a, b) ((a) < (b) -> (a) : (b))

/* A cell's stamp: the larger one is the later one. 0: never used. */
#define MESSAGE(i) (2 * (i) + 1)
#define JUMP(i) (2 * (i) + 2)

/* Atomic instructions. */
#define CAS(word, from, to, done) \
  atomic { if :: word == (from) -> word = (to); done = true :: else -> done = false fi }
#define RAISE(word, to) atomic { if :: word < (to) -> word = (to) :: else fi }
