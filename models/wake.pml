/* No lost wake-up: the doorbell (readers sleep, publishers ring) and the space word (publishers sleep, readers ring).
 *
 * One reliable publisher, READERS readers, capacity N, END messages. Nobody dies and no time-out passes, so whoever
 * sleeps for ever shows as an invalid end state. Stamps and cursors pass through store buffers; a read-modify-write or
 * a fence by the same process waits until they are visible. A word is 2 * count + waiting bit. */
#include "common.pml"

#ifndef N
#define N 2
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef END
#define END 3
#endif
#ifndef PERIOD
#define PERIOD 2     /* a cursor is published at the latest after so many positions */
#endif

byte stamp = 0;      /* messages published */
byte stamp_stored = 0;
byte cursor[READERS];
byte cursor_stored[READERS];
byte doorbell = 0;
byte space = 0;
byte asleep_doorbell = 0, asleep_space = 0;  /* a bit per process that sleeps in the kernel */

/* Whether the word is still the one that was armed, and to sleep, is one step of the kernel. */
inline sleep(bell, value, asleep) {
  atomic { if :: bell == value -> asleep = asleep | (1 << me) :: else -> goto awake fi };
  !(asleep & (1 << me))
}

#ifdef BREAK_WAKE_ALL
#define WAKE(asleep) asleep = asleep & (asleep - 1)
#else
#define WAKE(asleep) asleep = 0
#endif
#ifdef BREAK_COUNT
#define CLEARED(bell) (bell - 1)
#else
#define CLEARED(bell) (bell + 1)   /* the bit goes, the count moves */
#endif

inline ring(bell, asleep) {
  value = bell;
  if
  :: value & 1 ->
     atomic { if :: bell == value -> bell = CLEARED(bell) :: else -> value = 0 fi };
     if
     :: value > 0 -> atomic { WAKE(asleep); value = 0 }
     :: else
     fi
  :: else -> value = 0
  fi
}

#define HAS_ROOM(p) ((p) < slowest + N)
inline scan() {
  slowest = cursor[0];
#if READERS > 1
  slowest = MIN(slowest, cursor[1]);
#endif
}

proctype Writer() {
  byte me = 0, p = 0, value, slowest = 0;
  do
  :: p < END ->
     do
     :: HAS_ROOM(p) -> break
     :: else ->
        scan();
        if
        :: HAS_ROOM(p) -> break
        :: else
        fi;
        atomic { space = space | 1; value = space };
#ifndef BREAK_SPACE_RESCAN
        scan();
#endif
        if
        :: HAS_ROOM(p) -> break
        :: else
        fi;
        sleep(space, value, asleep_space);
awake:  value = 0
     od;
     value = 0;
     p++;
     stamp_stored = p;
#ifndef BREAK_COMMIT_BARRIER
     stamp == stamp_stored;  /* the CAS of the record */
#endif
     ring(doorbell, asleep_doorbell)
  :: else -> break
  od
}

proctype Buffer() {
end:
  do
  :: atomic { stamp != stamp_stored -> stamp = stamp_stored }
  :: atomic { cursor[0] != cursor_stored[0] -> cursor[0] = cursor_stored[0] }
#if READERS > 1
  :: atomic { cursor[1] != cursor_stored[1] -> cursor[1] = cursor_stored[1] }
#endif
  od
}

inline publish_cursor() {
  if
  :: cursor_stored[me] != c ->
     cursor_stored[me] = c;
#ifndef BREAK_CURSOR_BARRIER
     cursor[me] == cursor_stored[me];  /* an exchange */
#endif
     ring(space, asleep_space)
  :: else
  fi
}

proctype Reader(byte me) {
  byte c = 0, value;
  do
  :: c < END ->
     if
     :: stamp > c ->
        c++;
        if
        :: c - cursor_stored[me] >= PERIOD || (space & 1) -> publish_cursor()
        :: else
        fi
     :: else ->
#ifndef BREAK_CURSOR_BEFORE_SLEEP
        publish_cursor();
#endif
        atomic { doorbell = doorbell | 1; value = doorbell };
#ifndef BREAK_DOORBELL_RECHECK
        if
        :: stamp > c -> goto awake
        :: else
        fi;
#endif
        sleep(doorbell, value, asleep_doorbell);
awake:  value = 0
     fi
  :: else -> break
  od;
  publish_cursor()
}

init {
  atomic {
    run Writer();
    run Buffer();
    run Reader(0);
#if READERS > 1
    run Reader(1);
#endif
  }
}
