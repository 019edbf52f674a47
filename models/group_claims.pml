/* Groups: claim, acknowledge, redeliver. Each message goes to one member, and to another one only if its claimer died
 * or was evicted; none is lost; nobody's view is overwritten.
 *
 * Message p is there once p < cursor + N (publishers fill the ring as far as the group allows), and is overwritten once
 * cursor > p. Members die anywhere (DEATHS); their entry may be taken by a process that comes later. A member that finds
 * nothing to do sleeps, so whatever is stuck shows as an invalid end state. */
#include "common.pml"

#ifndef N
#define N 2
#endif
#ifndef END
#define END 3
#endif
#ifndef MEMBERS
#define MEMBERS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef EVICTIONS
#define EVICTIONS 0
#endif

/* A claim: position, member, state in one word. */
#define CLAIMED(p, m) (((p) + 1) * 16 + (m) * 4 + 1)
#define DONE(p) (((p) + 1) * 16 + 2)
#define ORPHAN 3
#define IS_CLAIMED(w) (((w) & 3) == 1)
#define MEMBER(w) (((w) >> 2) & 3)
#define OF_LAP(w, p) ((w) >> 4 == (p) + 1)
#define OLDER(w, p) ((w) >> 4 < (p) + 1)

byte next = 0;
byte cursor = 0;
byte claims[N];
byte locked[3];        /* 0: free; by the entry's owner, or by who reclaims it */
#define OWNER 1
#define RECLAIMER 2
bit evicted[3];

/* For assertions and deaths only. */
byte life[3];
byte delivered[END];
byte excused[END];     /* how often its claimer died or was evicted */

/* A claim without its `next`: whoever claimed died in between. */
#ifdef BREAK_HELP_NEXT
#define CLAIMABLE OLDER(WORD(next), next)
#else
#define CLAIMABLE true
#endif

/* Whether the claim at position q may change hands. */
#define WORD(q) claims[(q) % N]
#define ORPHANED(q) ((q) < next && OF_LAP(WORD(q), q) && IS_CLAIMED(WORD(q)) && MEMBER(WORD(q)) == ORPHAN)
#define DESERTED(q) ((q) < next && OF_LAP(WORD(q), q) && IS_CLAIMED(WORD(q)) && MEMBER(WORD(q)) < ORPHAN && \
                     !locked[MEMBER(WORD(q))])
#define TAKEN_BY_EVICTED(q) ((q) < next && OF_LAP(WORD(q), q) && IS_CLAIMED(WORD(q)) && MEMBER(WORD(q)) < ORPHAN && \
                             MEMBER(WORD(q)) != me && evicted[MEMBER(WORD(q))])

inline deliver(q) {
  assert(delivered[q] <= excused[q]);
  delivered[q]++
}

/* Under the lock byte of entry m: its claims become orphans. */
inline orphan(m) {
  k = 0;
  do
  :: atomic { k < N -> w = claims[k] };
     atomic { if :: IS_CLAIMED(w) && MEMBER(w) == m && claims[k] == w -> claims[k] = w | (ORPHAN << 2) :: else fi;
              k++; w = 0 }
  :: atomic { k >= N -> k = 0; break }
  od
}

#ifdef BREAK_DONE_OF_LAP
#define ADVANCES ((w & 3) == 2)
#else
#define ADVANCES (w == DONE(k))
#endif

/* Over what is done, by anybody. */
inline advance() {
  do
  :: k = cursor;
     w = WORD(k);
     if
     :: ADVANCES -> atomic { if :: cursor == k -> assert(delivered[k] > 0); cursor++ :: else fi; k = 0; w = 0 }
     :: else -> k = 0; w = 0; break
     fi
  od
}
#ifdef BREAK_ACK_CAS
#define STILL_MINE true
#else
#define STILL_MINE WORD(p) == CLAIMED(p, me)
#endif

#ifdef BREAK_CLAIM_CAS
#define CLAIM_CONDITION true
#else
#define CLAIM_CONDITION WORD(p) == w
#endif

proctype Member(byte me, mine) {
  byte p, w, k;
  {
    atomic { !locked[me] -> locked[me] = OWNER; evicted[me] = false };
#ifndef BREAK_ORPHAN_OWN
    orphan(me);
#endif
again:
    do
    :: atomic { cursor == END -> goto finish }
#ifndef BREAK_ADVANCE_HELP
    :: cursor < END && WORD(cursor) == DONE(cursor) -> advance()
#endif
    :: evicted[me] -> evicted[me] = false  /* joins again, unless it sees that too late */
#ifdef BREAK_ORPHAN_FIRST
    /* The claim of a dead member is taken from it directly. */
    :: atomic { DESERTED(cursor) && cursor < END -> p = cursor; w = WORD(p) };
       atomic { if :: WORD(p) == w -> WORD(p) = CLAIMED(p, me); w = 0; deliver(p) :: else -> w = 0; goto again fi };
       goto view
#else
    :: atomic { cursor < END && DESERTED(cursor) -> p = MEMBER(WORD(cursor)) };
       atomic { if :: !locked[p] -> locked[p] = RECLAIMER :: else -> goto again fi };
       orphan(p);
       locked[p] = false
#endif
    :: atomic { cursor < END && ORPHANED(cursor) -> p = cursor; w = WORD(p) };
       atomic { if :: WORD(p) == w -> WORD(p) = CLAIMED(p, me); w = 0; deliver(p) :: else -> w = 0; goto again fi };
       goto view
    :: atomic { cursor < END && TAKEN_BY_EVICTED(cursor) -> p = cursor; w = WORD(p) };
       atomic {
         if
         :: WORD(p) == w -> excused[p]++; WORD(p) = CLAIMED(p, me); w = 0; deliver(p)
         :: else -> w = 0; goto again
         fi
       };
       goto view
    :: atomic { next < END && next < cursor + N && CLAIMABLE -> p = next };
#ifdef BREAK_CLAIM_BEFORE_NEXT
       atomic { if :: next == p -> next = p + 1 :: else -> goto again fi };
#endif
       w = WORD(p);
       if
       :: OLDER(w, p) ->
          atomic {
            if
            :: CLAIM_CONDITION -> WORD(p) = CLAIMED(p, me); w = 0; deliver(p)
            :: else -> w = 0; goto again
            fi
          };
          RAISE(next, p + 1);
          goto view
       :: else ->
          w = 0;
          RAISE(next, p + 1)
       fi
    od;
view:
    /* Reads the message where it is; an evicted member asks afterwards whether it was still there. */
    assert(p >= cursor || WORD(p) != CLAIMED(p, me));
    atomic { if :: STILL_MINE -> WORD(p) = DONE(p) :: else fi };
    advance();
    goto again;
finish:
    atomic { locked[me] = false; life[me] = 255; p = 0; w = 0 }
  } unless { life[me] != mine }
}

proctype Killer() {
  byte n = 0, k;
  bit held;
  do
  :: n < DEATHS ->
     atomic {
       n++;
       held = false;
       if
       :: life[0] < 250 -> held = (locked[0] == OWNER); life[0]++; run Member(0, life[0])
       :: life[0] < 250 -> held = (locked[0] == OWNER); life[0] = 254
       :: skip
       fi;
       locked[0] = (held -> 0 : locked[0]);
       k = cursor;
       do
       :: k < END && k < cursor + N ->
          excused[k] = (IS_CLAIMED(WORD(k)) && OF_LAP(WORD(k), k) && MEMBER(WORD(k)) == 0 && held ->
                        excused[k] + 1 : excused[k]);
          k++
       :: else -> k = 0; break
       od
     }
  :: break
  od
}

proctype Evictor() {
  byte n = 0;
  do
  :: n < EVICTIONS -> atomic { evicted[1] = true; n++ }
  :: break
  od
}

init {
  atomic {
    run Member(0, 0);
    run Member(1, 0);
#if MEMBERS > 2
    run Member(2, 0);
#endif
    run Killer();
    run Evictor()
  }
}
