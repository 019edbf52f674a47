/* What a group has not acknowledged is never overwritten, whoever of its members joins, leaves or is reclaimed.
 *
 * Publishers grant and raise as in join.pml. The group has one `live` word, which scans look at, and one cursor; members
 * come and go through entries 0 and 1. `live` is set and cleared under the group's lock byte; the store that sets it
 * passes through a store buffer. */
#include "common.pml"

#ifndef N
#define N 4
#endif
#ifndef STEP
#define STEP 1
#endif
#ifndef HISTORY
#define HISTORY 1
#endif
#ifndef END
#define END 8
#endif
#ifndef JOINS
#define JOINS 2       /* of each member */
#endif

byte reserved = 0;
byte horizon = 0;
byte cursor = 0;       /* the group's: oldest unacknowledged position */
bit live = false;
bit live_buffered = false;
bit locked = false;    /* the group's lock byte */
bit present[2];        /* the members' entries */

/* For assertions only. */
byte members = 0;
byte needed = 0;

#define BELOW(a, b) ((a) > (b) -> (a) - (b) : 0)

#ifdef BREAK_GROUP_LOCK
#define LOCK skip
#else
#define LOCK atomic { !locked -> locked = true }
#endif
#define UNLOCK locked = false

inline scan() {
#ifdef BREAK_LIVE  /* a group counts if one of its members' entries is seen */
  e = 0;
  do
  :: e < 2 ->
     if
     :: present[e] -> e = 3
     :: else -> e++
     fi
  :: else -> break
  od;
  if
  :: e == 3 -> d_step { target = MIN(target, cursor + N); e = 0 }
  :: else -> e = 0
  fi
#else
  if
  :: live -> target = MIN(target, cursor + N)
  :: else
  fi
#endif
}

proctype Writer() {
  byte r, target, e;
  do
  :: atomic {
       reserved < END && reserved < horizon ->
       assert(members == 0 || reserved + 1 <= needed + N);
       reserved++
     }
  :: atomic { reserved < END && reserved >= horizon -> skip };
     d_step { r = reserved; target = r + STEP };
     scan();
     if
     :: target > r -> atomic { horizon = MAX(horizon, target); target = 0; r = 0 }
     :: else ->
        d_step { target = 0; r = 0 };
#ifndef BREAK_LIVE
        /* No room: a group without members is dropped. */
        LOCK;
        if
        :: !present[0] ->
           if
           :: !present[1] -> live = false
           :: else
           fi
        :: else
        fi;
        UNLOCK
#endif
     fi
  :: reserved >= END -> break
  od
}

proctype Buffer() {
end:
  do
  :: atomic { live_buffered -> live = true; live_buffered = false }
  od
}

proctype Member(byte me) {
  byte joins = 0, c;
  do
  :: joins < JOINS ->
     LOCK;
#ifndef BREAK_LIVE
     if
     :: !live ->
        c = reserved;
        cursor = BELOW(c, HISTORY);
        live_buffered = true;
#ifndef BREAK_GROUP_FENCE
        !live_buffered;
#endif
        atomic { c = reserved; needed = BELOW(c, HISTORY); c = 0 };
        cursor = needed
     :: else
     fi;
     atomic { present[me] = true; members++ };
#else
     /* What the members alone can do: the first one begins at R, everyone else finds the group as it is. */
     if
     :: atomic { members == 0 -> present[me] = true; needed = BELOW(reserved, HISTORY); cursor = needed;
                 horizon <= needed + N; members++ }
     :: atomic { members > 0 -> present[me] = true; members++ }
     fi;
#endif
     UNLOCK;
     do
     :: atomic { needed < reserved -> needed++; cursor = needed }  /* a message acknowledged */
     :: break
     od;
     atomic { present[me] = false; members--; joins++ }
  :: else -> break
  od
}

init { atomic { run Writer(); run Writer(); run Buffer(); run Member(0); run Member(1) } }
