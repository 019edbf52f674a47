/* Reserve, grant, publish, take, holes, fences, quarantine; ranges of RANGE positions.
 *
 * Publishers stop anywhere (interleaving) and die anywhere (DEATHS of them). Readers repair holes at any moment, as if
 * every time-out had passed. A payload is two halves, written and read in two steps. Every d_step and atomic has one
 * access to a shared word; `unless` lets a process die between any two of them. */
#include "common.pml"

#ifndef N
#define N 2          /* capacity */
#endif
#ifndef STEP
#define STEP 1       /* of the horizon; N/4 in a ring of real size */
#endif
#ifndef END
#define END 3        /* nobody asks for a position from here on */
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef RANGE
#define RANGE 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef GRANTS
#define GRANTS 1      /* of writer 0, which makes it the one that is stopped; END: the writers are alike */
#endif
#define LAST (END + RANGE)

/* A writer's record: position, count, state in one word. */
#define IDLE 0
#define INTENT(i, n) ((i) * 16 + (n) * 4 + 1)
#define IS_INTENT(r) (((r) & 3) == 1)
#define IS_FENCED(r) (((r) & 3) == 2)
#define AS_FENCED(r) ((r) + 1)
#define COUNT(r) (((r) >> 2) & 3)
#define FIRST(r) ((r) >> 4)
#define COVERS(r, c) (FIRST(r) <= (c) && (c) < FIRST(r) + COUNT(r))
/* Names a position before p in p's cell. */
#define COVERS_CELL(r, p) (COVERS(r, (p) - N) || ((p) >= 2 * N && COVERS(r, (p) - 2 * N)))

byte reserved = 0;
byte horizon = 0;
byte stamp[N];
byte low[N];          /* the payload's halves: 1 + position of whoever stored them */
byte high[N];
byte record[WRITERS];
byte cursor[READERS];
byte epoch_moved = 0;  /* a bit per writer: fence_epoch differs from what it has seen */

/* What no process may look at: for assertions and the end. */
bit confirmed[LAST];  /* its publisher was told `ok` */
bit dead[WRITERS];    /* its lock byte is free */
byte gone = 0;        /* a bit per writer: done or dead */
#define EVERYBODY ((1 << WRITERS) - 1)

#ifdef BREAK_EPOCH
#define RAISE_EPOCH skip
#else
#define RAISE_EPOCH epoch_moved = EVERYBODY
#endif

#ifdef BREAK_GRANT_CAS
#define GRANT_CONDITION true
#else
#define GRANT_CONDITION reserved == p
#endif
#ifdef BREAK_HORIZON
#define MAY_GRANT true
#else
#define MAY_GRANT p < known_horizon
#endif
#ifdef BREAK_STAMP_LAST
#define FILL_FIRST stamp[j % N] = MESSAGE(j)
#define FILL_LAST skip
#else
#define FILL_FIRST skip
#define FILL_LAST stamp[j % N] = MESSAGE(j)
#endif
#ifdef BREAK_WITHDRAW
#define WITHDRAWS false
#else
#ifdef BREAK_WITHDRAW_ALL
#define WITHDRAWS j == p
#else
#define WITHDRAWS true
#endif
#endif

/* Fences record k if `condition` holds for its value; the caller then raises the epoch. A record found fenced counts
 * as ours: whoever did it may never reach the epoch. Load and CAS are one step: that the record changed in between is
 * as good as having looked later. */
#ifdef BREAK_EPOCH_OF_ANOTHER
#define COUNTS_AS_OURS IS_INTENT(value)
#else
#define COUNTS_AS_OURS value != IDLE
#endif
#define FENCE_RECORD(condition) \
  atomic { \
    value = record[k]; \
    value = ((value != IDLE && (condition)) -> value : IDLE); \
    if :: IS_INTENT(value) -> record[k] = AS_FENCED(value) :: else fi \
  }
#define RAISE_EPOCH_IF_FENCED atomic { if :: COUNTS_AS_OURS -> RAISE_EPOCH :: else fi; value = 0; k = NEXT(k) }

/* Loops over the records of all writers but `me`. */
#define BEGIN (me == 0 -> 1 : 0)
#define NEXT(k) ((k) + 1 == me -> (k) + 2 : (k) + 1)

proctype Writer(byte me) {
  byte p = 0, n, k, j, target, value, known_horizon = 0, grants = (me == 0 -> GRANTS : END);
  byte fence[WRITERS];
  bit fences = false, done, look;
  {
    p = reserved;
reserve:
    atomic {
      if
      :: p >= END || grants == 0 -> goto finish
      :: p < END && grants > 0 && (MAY_GRANT) ->
         n = MAX(1, MIN(RANGE, known_horizon - p));
         n = (fences -> 1 : n);
#ifndef BREAK_INTENT_BEFORE_GRANT
         record[me] = INTENT(p, n);
#endif
         goto grant
      :: p < END && grants > 0 && p >= known_horizon && horizon > p -> goto refresh
      :: p < END && grants > 0 && p >= known_horizon && horizon <= p -> record[me] = IDLE
      fi
    }

    /* Slow path. */
    d_step { p = reserved; target = p + STEP; k = 0 };
#ifdef RELIABLE
    do
    :: atomic { k < READERS -> target = MIN(target, cursor[k] + N); k++ }
    :: atomic { k >= READERS -> k = 0; break }
    od;
#endif
    atomic { if :: target > p -> k = BEGIN :: else -> target = 0; goto reserve fi };
#ifndef BREAK_SLOW_PATH_FENCE
    do
    :: k < WRITERS -> FENCE_RECORD(FIRST(value) + N < target); RAISE_EPOCH_IF_FENCED
    :: else -> break
    od;
#endif
    atomic { horizon = MAX(horizon, target); target = 0 };

refresh:  /* one look at the horizon, and with it at the fences */
    atomic { known_horizon = horizon; look = fences; fences = false };
    atomic {
      look = look || (epoch_moved & (1 << me));
      epoch_moved = epoch_moved & ~(1 << me);
      k = (look -> BEGIN : WRITERS);
      look = false
    };
    do
    :: atomic {
         k < WRITERS ->
         fence[k] = record[k];
         if :: IS_FENCED(fence[k]) -> fences = true :: else -> fence[k] = 0 fi;
         k = NEXT(k)
       }
    :: atomic { k >= WRITERS -> k = 0; goto reserve }
    od;

grant:
    atomic {
      if
      :: GRANT_CONDITION ->
         assert(p >= reserved);  /* claim A: what lies below was granted already */
         reserved = p + n;
         assert(reserved <= horizon);  /* claim B */
         grants = (me == 0 -> grants - 1 : grants);
         k = (fences -> BEGIN : WRITERS)
      :: else -> p = reserved; n = 0; goto reserve
      fi
    };
#ifdef BREAK_INTENT_BEFORE_GRANT
    record[me] = INTENT(p, n);
#endif
    /* Quarantine: a living publisher was stopped in an earlier lap of p's cell and does not know yet. */
    do
    :: atomic {
         k < WRITERS ->
         value = fence[k];
         j = p;
         done = false;
         do
         :: value != 0 && j < p + n -> done = done || COVERS_CELL(value, j); j++
         :: else -> break
         od;
         done = done && record[k] == value && !dead[k];
         value = 0; j = 0;
         k = (done -> WRITERS : NEXT(k))
       }
    :: atomic { k >= WRITERS -> k = 0; j = p; break }
    od;
#ifdef BREAK_QUARANTINE
    done = false;
#endif
    atomic {
      if
      :: done -> stamp[p % N] = MAX(stamp[p % N], JUMP(p)); j = 0; done = false
      :: else -> goto fill
      fi
    };
    atomic { record[me] = IDLE; p++; n = 0; goto reserve };

fill:  /* and stamp, one position after the other */
    atomic { if :: j >= p + n -> goto commit :: else fi; assert(j < horizon); FILL_FIRST };
    low[j % N] = j + 1;
    high[j % N] = j + 1;
    atomic { FILL_LAST; j++; goto fill };

commit:
    atomic {
      if
      :: record[me] == INTENT(p, n) ->
         record[me] = IDLE;
         j = p;
         do :: j < p + n -> confirmed[j] = true; j++ :: else -> break od;
         goto published
      :: else -> j = p
      fi
    };
withdraw:  /* fenced: all of it */
    atomic {
      if :: stamp[j % N] == MESSAGE(j) && WITHDRAWS -> stamp[j % N] = JUMP(j) :: else fi;
      j++;
      if :: j < p + n -> goto withdraw :: else fi;
      j = p;
      do :: j < p + n -> assert(stamp[j % N] != MESSAGE(j)); j++ :: else -> break od
    };
    record[me] = IDLE;
published:
    atomic { p = reserved; j = 0; n = 0; goto reserve };
finish:
    atomic { record[me] = IDLE; gone = gone | (1 << me); p = 0; n = 0; known_horizon = 0; grants = 0; fences = false;
             fence[0] = 0; fence[WRITERS - 1] = 0 }
  } unless { dead[me] }
}

/* Of writer 0 alone, if the others only make it late. */
proctype Killer() {
  byte k;
  do
  :: k < DEATHS ->
     atomic {
       if
       :: !(gone & 1) -> dead[0] = true; gone = gone | 1
       :: GRANTS == END && !(gone & 2) -> dead[1] = true; gone = gone | 2
       :: else
       fi;
       k++
     }
  :: break
  od
}

#ifdef BREAK_REPAIR_FENCE
#define REPAIR_FENCES false
#else
#define REPAIR_FENCES true
#endif
#ifdef BREAK_REPAIR_CAS
#define REPAIR_CONDITION true
#else
#define REPAIR_CONDITION stamp[c % N] == s
#endif

proctype Reader(byte number) {
  byte c = 0, s, a, k, value, me = 255;
  do
  :: c < END ->
     s = stamp[c % N];
     if
     :: s == MESSAGE(c) ->
        d_step { a = low[c % N]; s = 0 };
        d_step { a = (a == c + 1 && high[c % N] == c + 1) };
#if defined(RELIABLE) || defined(BREAK_VALIDATE)
        assert(a);  /* claims C, E and G: never torn, never another lap's */
        d_step { c++; cursor[number] = c; a = 0 }
#else
        if
        :: horizon > c + N -> a = 0; goto lapped
        :: else -> assert(a); d_step { c++; a = 0 }
        fi
#endif
     :: s == JUMP(c) -> atomic { s = 0; assert(!confirmed[c]); c++; cursor[number] = c }
     :: s > JUMP(c) -> s = 0; goto lapped
     :: s < MESSAGE(c) ->
        if
        :: reserved > c ->  /* a hole: give c up, as after a time-out */
           k = 0;
           do
           :: k < WRITERS -> FENCE_RECORD(COVERS(value, c) && REPAIR_FENCES); RAISE_EPOCH_IF_FENCED
           :: atomic { k >= WRITERS -> k = 0; break }
           od;
           atomic {
             assert(c < horizon);
             if :: REPAIR_CONDITION -> stamp[c % N] = JUMP(c) :: else fi;
             s = 0
           }
#ifndef RELIABLE
        :: horizon > c + N -> s = 0; goto lapped
#endif
        :: reserved <= c && gone == EVERYBODY -> break
        :: reserved > c || stamp[c % N] != s -> s = 0
        fi
     fi;
     goto again;
lapped:
#ifdef RELIABLE
     assert(false);  /* claim C: nobody laps a reader that holds publishers up */
#else
     atomic { value = reserved; c = MAX(c + 1, (value > N / 2 -> value - N / 2 : 0)); value = 0 }
#endif
again: skip
  :: else -> break
  od
}
init {
  atomic {
    run Writer(0);
#if WRITERS > 1
    run Writer(1);
#endif
#if WRITERS > 2
    run Writer(2);
#endif
    run Killer();
    run Reader(0);
#if READERS > 1
    run Reader(1);
#endif
  }
}
