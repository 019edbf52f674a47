/* The chunk pool: nobody writes into a chunk that somebody views, no chunk has two owners, none is lost by any death.
 *
 * Cells are not reused here (ring.pml shows that they may be), so everything rests on the free rule, the holds and the
 * windows. Publishers and readers stop and die anywhere; whoever takes a dead one's entry next is a process of its own.
 * Holes are given up at any moment. The hold passes through a store buffer. RELIABLE: readers are evicted at any
 * moment. The horizon is raised in one step: its races are those of join.pml. */
#include "common.pml"

#ifndef STEP
#define STEP 1
#endif
#ifndef DEPTH
#define DEPTH 1
#endif
#ifndef HISTORY
#define HISTORY 0
#endif
#ifndef END
#define END 3
#endif
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef CHUNKS
#define CHUNKS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef EVICTIONS
#define EVICTIONS 1
#endif
#define WINDOW (DEPTH + HISTORY + STEP)
#ifdef BREAK_WINDOW
#define FREE_WINDOW (WINDOW - 1)
#else
#define FREE_WINDOW WINDOW
#endif

/* A chunk's word. 0: never published, or given back unsent. */
#define AVAILABLE(p) ((p) + 1)
#define LOANED(w) (100 + (w))
#define IS_LOANED(v) ((v) >= 100)

#define FREE 0
#define ACTIVE 1
#define EVICTED 2
#define HOLE 0
#define A_MESSAGE 1
#define A_JUMP 2

byte reserved = 0;
byte horizon = STEP;
byte stamp[END];
byte in_cell[END];       /* the chunk's number */
byte word[CHUNKS];
byte state[READERS];
byte cursor[READERS];
byte hold[READERS];      /* 1 + chunk */
byte hold_buffered[READERS];  /* stored, not yet visible */
byte locked[WRITERS + READERS];  /* 0: free; by the entry's owner, or by who reclaims it */
#define OWNER 1
#define RECLAIMER 2
#define DIES(x) locked[x] = (locked[x] == OWNER -> 0 : locked[x])

/* For assertions and deaths only. */
byte life[WRITERS + READERS];
byte viewing[READERS];   /* 1 + chunk */
bit fenced[END];
byte gone = 0;

#define BELOW(a, b) ((a) > (b) -> (a) - (b) : 0)
#define OF_READER(e) (WRITERS + (e))

/* Under the lock byte of a dead writer's, or one's own, entry. */
inline give_back_loans(w) {
  k = 0;
  do
  :: atomic { k < CHUNKS -> if :: word[k] == LOANED(w) -> word[k] = 0 :: else fi; k++ }
  :: atomic { k >= CHUNKS -> k = 0; break }
  od
}

/* Whoever finds the pool empty. */
inline reclaim_dead() {
  e = 0;
  do
  :: e < WRITERS ->
     if
     :: atomic { !locked[e] -> locked[e] = RECLAIMER };
#ifndef BREAK_RECLAIM_LOANS
        give_back_loans(e);
#endif
        locked[e] = false
     :: locked[e]
     fi;
     e++
  :: else -> break
  od;
  e = 0;
  do
  :: e < READERS ->
     if
     :: atomic { !locked[OF_READER(e)] -> locked[OF_READER(e)] = RECLAIMER };
#ifndef BREAK_RECLAIM_HOLDS
        hold[e] = 0;
#endif
        state[e] = FREE;
        locked[OF_READER(e)] = false
     :: locked[OF_READER(e)]
     fi;
     e++
  :: else -> break
  od;
  e = 0
}

#ifdef BREAK_HISTORY_OF_CHUNKS
#define PASSED_HISTORY 0
#else
#define PASSED_HISTORY HISTORY
#endif

inline scan_cursors() {
  d_step { passed = BELOW(reserved, PASSED_HISTORY); e = 0 };
#ifndef RELIABLE
  behind = BELOW(horizon, FREE_WINDOW);
#endif
  do
  :: atomic { e < READERS && state[e] != ACTIVE -> e++ }
  :: e < READERS && state[e] == ACTIVE -> atomic { passed = MIN(passed, cursor[e]); e++ }
  :: atomic { e >= READERS -> e = 0; break }
  od
}

#ifdef BREAK_EVICTED_HOLDS
#define HOLDS_COUNT && state[e] == ACTIVE
#else
#define HOLDS_COUNT
#endif

inline scan_holds() {
  held = 0;
  do
  :: atomic {
       e < READERS ->
       held = ((hold[e] > 0 HOLDS_COUNT) -> held | (1 << hold[e]) : held);
       e++
     }
  :: atomic { e >= READERS -> e = 0; break }
  od
}
#define MAY_TAKE(v) (!IS_LOANED(v) && ((v) == 0 || (v) - 1 < MAX(passed, behind)) && !(held & (1 << (chunk + 1))))
#ifdef BREAK_TAKE_CAS
#define STILL(v) true
#else
#define STILL(v) word[chunk] == v
#endif

inline take_ownership() {
  v = word[chunk];
  if
  :: MAY_TAKE(v) ->
     atomic {
       if
       :: STILL(v) ->
          assert(!IS_LOANED(word[chunk]));  /* one owner */
#if READERS > 1
          assert(viewing[1] != chunk + 1);
#endif
          assert(viewing[0] != chunk + 1);  /* nobody views it: it may be written from now on */
          word[chunk] = LOANED(me);
          loan = chunk + 1
       :: else
       fi;
       v = 0
     }
  :: else -> v = 0
  fi
}

proctype Writer(byte me, mine) {
  byte p, k, e, v, passed, behind = 0, held, chunk, loan;
  {
    atomic { !locked[me] -> locked[me] = OWNER };
    give_back_loans(me);
again:
    atomic { p = 0; loan = 0; chunk = 0; passed = 0; behind = 0; held = 0 };
    if
    :: reserved >= END -> goto finish
    :: reserved < END
    fi;
#ifdef BREAK_HOLDS_FIRST
    scan_holds();
    scan_cursors();
#else
    scan_cursors();
    scan_holds();
#endif
    do
    :: chunk < CHUNKS && loan == 0 -> take_ownership(); chunk++
    :: else -> break
    od;
    atomic { chunk = 0; passed = 0; behind = 0; held = 0 };
    if
    :: loan == 0 -> reclaim_dead(); goto again
    :: loan > 0
    fi;
    /* Filled. Publish it, or give it back. */
    do
    :: reserved >= END -> word[loan - 1] = 0; goto finish
    :: atomic { reserved < END && reserved < horizon -> p = reserved; reserved++; break }
    :: atomic {
         reserved < END && reserved >= horizon ->
         p = reserved + STEP;
#ifdef RELIABLE
         p = (state[0] == ACTIVE -> MIN(p, cursor[0] + DEPTH + HISTORY) : p);
#if READERS > 1
         p = (state[1] == ACTIVE -> MIN(p, cursor[1] + DEPTH + HISTORY) : p);
#endif
#endif
         horizon = MAX(horizon, p); p = 0
       }
    :: word[loan - 1] = 0; goto again
    od;
#ifdef BREAK_PUBLISH_ORDER
    in_cell[p] = loan - 1;
    stamp[p] = A_MESSAGE;
    word[loan - 1] = AVAILABLE(p);
#else
    word[loan - 1] = AVAILABLE(p);
    in_cell[p] = loan - 1;
    stamp[p] = A_MESSAGE;
#endif
    if
    :: fenced[p] -> stamp[p] = A_JUMP
    :: else
    fi;
    goto again;
finish:
    atomic { locked[me] = false; gone++; p = 0; loan = 0; life[me] = 255 }
  } unless { life[me] != mine }
}

proctype Buffer() {
end:
  do
  :: atomic { hold_buffered[0] > 0 -> hold[0] = hold_buffered[0]; hold_buffered[0] = 0 }
#if READERS > 1
  :: atomic { hold_buffered[1] > 0 -> hold[1] = hold_buffered[1]; hold_buffered[1] = 0 }
#endif
  od
}

proctype Reader(byte me, mine) {
  byte c, chunk;
  {
    atomic { !locked[OF_READER(me)] -> locked[OF_READER(me)] = OWNER };
    hold[me] = 0;
join:
    atomic { c = reserved; cursor[me] = BELOW(c, HISTORY) };
    state[me] = ACTIVE;
    c = BELOW(reserved, HISTORY);
    cursor[me] = c;
proceed:
    do
    :: break  /* leaves */
    :: c < END && stamp[c] == A_JUMP -> atomic { c++; cursor[me] = c }
    :: c < END && stamp[c] == HOLE && reserved > c ->
       atomic { if :: stamp[c] == HOLE -> stamp[c] = A_JUMP; fenced[c] = true :: else fi }
    :: c < END && stamp[c] == A_MESSAGE ->
       chunk = in_cell[c];
#ifdef BREAK_CURSOR_AFTER_HOLD
       cursor[me] = c + 1;
#endif
       hold_buffered[me] = chunk + 1;
#ifndef BREAK_HOLD_FENCE
       hold_buffered[me] == 0;
#endif
       atomic {
         if
#ifdef BREAK_HOLD_RECHECK
         :: true ->
#else
#ifdef RELIABLE
         :: state[me] == ACTIVE ->
#else
         :: horizon <= c + WINDOW ->
#endif
#endif
            assert(word[chunk] == AVAILABLE(c));  /* the view shows message c, all of it */
            viewing[me] = chunk + 1
         :: else -> chunk = 0; goto lost
         fi;
         chunk = 0
       };
       c++;
       if
       :: cursor[me] = c
       :: skip  /* later */
       fi;
       viewing[me] = 0;
       atomic { hold_buffered[me] == 0; hold[me] = 0 };
       cursor[me] = c
#ifdef RELIABLE
    :: state[me] == EVICTED -> goto join
#endif
    od;
    goto finish;
lost:
    atomic { hold_buffered[me] == 0; hold[me] = 0 };
#ifdef RELIABLE
    goto join;
#else
    c++; cursor[me] = c; goto proceed;
#endif
finish:
    state[me] = FREE;
    atomic { locked[OF_READER(me)] = false; gone++; life[OF_READER(me)] = 255; c = 0 }
  } unless { life[OF_READER(me)] != mine }
}

/* A death frees the lock byte; a process that comes later may take the entry. */
proctype Killer() {
  byte n = 0;
  do
  :: n < DEATHS ->
     atomic {
       n++;
       if
       :: life[0] < 255 -> life[0]++; DIES(0); run Writer(0, life[0])
       :: life[OF_READER(0)] < 255 -> life[OF_READER(0)]++; viewing[0] = 0; DIES(OF_READER(0));
          if :: hold_buffered[0] > 0 -> hold[0] = hold_buffered[0]; hold_buffered[0] = 0 :: else fi;
          run Reader(0, life[OF_READER(0)])
       :: life[0] < 255 -> life[0] = 254; DIES(0); gone++
       :: life[OF_READER(0)] < 255 -> life[OF_READER(0)] = 254; viewing[0] = 0; DIES(OF_READER(0)); gone++;
          if :: hold_buffered[0] > 0 -> hold[0] = hold_buffered[0]; hold_buffered[0] = 0 :: else fi
       :: skip
       fi
     }
  :: break
  od
}

#ifdef RELIABLE
proctype Evictor() {
  byte n = 0;
  do
  :: n < EVICTIONS -> atomic { if :: state[0] == ACTIVE -> state[0] = EVICTED :: else fi; n++ }
  :: break
  od
}
#endif

/* When all are gone, whoever comes next finds every chunk. */
proctype Heir() {
  byte k, e;
  atomic {
    gone == WRITERS + READERS;
    reclaim_dead();
    k = 0;
    do
    :: k < CHUNKS ->
       assert(!IS_LOANED(word[k]));  /* no leak */
       assert(hold[0] != k + 1);
#if READERS > 1
       assert(hold[1] != k + 1);
#endif
       k++
    :: else -> break
    od
  }
}

init {
  atomic {
    run Writer(0, 0);
#if WRITERS > 1
    run Writer(1, 0);
#endif
    run Buffer();
    run Reader(0, 0);
#if READERS > 1
    run Reader(1, 0);
#endif
    run Killer();
#ifdef RELIABLE
    run Evictor();
#endif
    run Heir()
  }
}
