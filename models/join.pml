/* A reader that joins a reliable topic, with history, is never overrun; however late a horizon lands.
 *
 * Publishers grant positions and raise the horizon; cells are not modelled: granting position p is overwriting p - N.
 * The reader's first store that scans look for, `state`, passes through a store buffer: it may become visible at any
 * later moment unless the reader waits for it at a fence. The reader leaves and joins again (JOINS times). */
#include "common.pml"

#ifndef N
#define N 4
#endif
#ifndef STEP
#define STEP 1
#endif
#ifndef HISTORY
#define HISTORY (N - STEP)
#endif
#ifdef BREAK_HISTORY_BOUND
#undef HISTORY
#define HISTORY (N - STEP + 1)
#endif
#ifndef RANGE
#define RANGE 1
#endif
#ifdef BREAK_RANGE_BOUND
#undef RANGE
#define RANGE (STEP + 1)
#endif
#ifndef END
#define END 9
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef JOINS
#define JOINS 2
#endif

byte reserved = 0;
byte horizon = 0;
byte entries = 0;      /* scans of the table end here */
byte cursor = 0;
bit present = false;
bit present_buffered = false;  /* stored by the reader, not yet visible */

/* For assertions only. */
bit joined = false;
byte needed = 0;       /* the oldest position that the reader has not given back */

#define BELOW(a, b) ((a) > (b) -> (a) - (b) : 0)

inline scan() {
  e = entries;
  if
  :: e > 0 ->
     if
     :: present -> d_step { target = MIN(target, cursor + N); e = 0 }
     :: else -> e = 0
     fi
  :: else
  fi
}

proctype Writer() {
  byte r, target, e;
  do
  :: atomic {
       reserved < END && reserved < horizon ->
       r = MIN(RANGE, horizon - reserved);
       /* What lies a lap below is overwritten now. */
       assert(!joined || reserved + r <= needed + N);
       reserved = reserved + r; r = 0
     }
  :: atomic { reserved < END && reserved >= horizon -> skip };
#ifdef BREAK_SCAN_ORDER
     target = 255; scan(); d_step { r = reserved; target = MIN(target, r + MAX(STEP, RANGE)) };
#else
     d_step { r = reserved; target = r + MAX(STEP, RANGE) };
     scan();
#endif
     atomic { horizon = MAX(horizon, target); target = 0; r = 0 }
  :: reserved >= END -> break
  od
}

/* Stores become visible. */
proctype Buffer() {
end:
  do
  :: atomic { present_buffered -> present = true; present_buffered = false }
  od
}

proctype Reader() {
  byte joins = 0, c;
  do
  :: joins < JOINS ->
#ifndef BREAK_ANNOUNCE
     c = reserved;
     cursor = BELOW(c, HISTORY);
#endif
#ifdef BREAK_JOIN_ORDER
     c = reserved;
#endif
#ifndef BREAK_COUNT_FIRST
     entries = 1;
#endif
     present_buffered = true;
#ifndef BREAK_JOIN_FENCE
     !present_buffered;
#endif
     atomic {
#ifndef BREAK_JOIN_ORDER
       c = reserved;
#endif
       joined = true;
       needed = BELOW(c, HISTORY);
       c = 0
     }
     cursor = needed;
#ifdef BREAK_COUNT_FIRST
     entries = 1;
#endif
     do
     :: atomic { needed < reserved -> needed++ }; cursor = needed
     :: break
     od;
     joined = false;
     atomic { !present_buffered; present = false; joins++ }
  :: else -> break
  od
}

init { atomic { run Writer(); run Writer(); run Buffer(); run Reader() } }
