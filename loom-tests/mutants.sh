#!/usr/bin/env bash
# Weakens one atomic ordering, or breaks one step of the protocol, at a time, on a copy of the tree,
# and reports which loom models notice.
#
#   loom-tests/mutants.sh [-j WORKERS] [-o REPORT.tsv] [-l | -c] [ID-REGEX]
#
# -l lists the mutants; -c only checks that each edit still applies; SEED names a target directory
# to start from. Needs bash, awk, sed and cargo. ORDERINGS.md keeps the result. The tree itself is
# not touched. Each model has LIMIT seconds (default 90), FILES names the files whose models are run
# (`blocks unbounded`; default all), MODELS is a regex for the names of models (default all), and a
# mutant is done after KILLS kills (default 4). It is
#   killed    by the models named; a `!` behind one says that it ran out of time, not that it failed
#   survived  all models pass
#   stale     the edit did not apply: the source has changed, correct this script (exit code 1)
#   broken    the mutant does not compile (exit code 1)
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
jobs=2 report=/dev/stdout list='' try='' LIMIT=${LIMIT:-90} FILES=${FILES:-} KILLS=${KILLS:-4}
while getopts 'j:o:lc' flag; do
  case $flag in j) jobs=$OPTARG ;; o) report=$OPTARG ;; l) list=1 ;; c) try=1 ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
only=${1:-.}

B=src/ring/protocol.rs X=src/ring/producer.rs Y=src/ring/receiver.rs S=src/ring/slot.rs P=src/ring/pos.rs Q=src/wait/queue.rs W=src/wait/rx_waker.rs O=src/wait/row.rs G=src/wait/place.rs
N=src/chan/counts.rs L=src/ring/blocks.rs V=src/wait/census.rs R=src/chan/receive.rs T=src/chan/send.rs C=src/chan/mod.rs K=src/wait/walk.rs I=src/wait/segment.rs D=src/wait/pool.rs E=src/wait/sweep.rs U=src/wait/past.rs
A=src/wait/register.rs F=src/wait/serve.rs H=src/wait/line.rs Z=src/chan/owner.rs J=src/chan/on_close.rs M=src/chan/entries.rs
EARLY=src/wait/early.rs BATCH=src/wait/batch.rs

# id | file, or two | start of the function, or `*` for the file | sed expression on those lines |
# what it is | `behind`: built with parshall_fence_behind, the other way in which loom sees SeqCst
# (`src/sync.rs`)
mutants() {
  ord() { # id file fn from to what [way]
    echo "$1|$2|$3|s/Ordering::$4/Ordering::$5/|$6: $4 -> $5|${7:-}"
  }
  ord P1-publish $S 'fn publish(' Release Relaxed 'stamp store in publish'
  ord P1-look $S 'fn is_published(&self' Acquire Relaxed 'stamp load in is_published'
  ord D1-tail-load $B 'fn tail(' Acquire Relaxed 'T load in tail'
  ord T-swap-acq $B 'fn swap_tail(' SeqCst Acquire 'T swap, all callers'
  ord T-swap-rel $B 'fn swap_tail(' SeqCst Release 'T swap, all callers'
  ord T-swap-rlx $B 'fn swap_tail(' SeqCst Relaxed 'T swap, all callers'
  ord T-swap-fail $B 'fn swap_tail(' Acquire Relaxed 'T swap, failure, all callers'
  for f in $X:claim_from $X:take_capacity $X:claim_reserved $X:claim_reserved_slow $B:update_tail $X:reserve_up_to $Y:park $Y:unpark $Y:try_abandon; do
    local file=${f%:*}
    f=${f#*:}
    for o in Acquire Release; do
      echo "T-$f-$o|$file|fn $f(|s/[.]swap_tail(/.swap_tail_$o(/|T swap in $f alone: SeqCst -> $o"
    done
  done
  ord C1-cache-load $X 'fn head_cache(' Acquire Relaxed 'head_cache load in head_cache'
  ord C1-cache-swap $X 'fn publish_head(' Release Relaxed 'head_cache swap in publish_head'
  ord C1-head-load $B 'fn head(' Acquire Relaxed 'H load in head'
  ord C1W1-move-acq $Y 'fn free_room(' SeqCst Acquire 'H fetch_add in free_room'
  ord C1W1-move-sc $Y 'fn free_room(' SeqCst AcqRel 'H fetch_add in free_room' behind
  ord C1W1-move-rlx $Y 'fn free_room(' SeqCst Relaxed 'H fetch_add in free_room'
  ord C1-hold $Y 'fn hold_room(' Release Relaxed 'H store in hold_room'
  echo "C1-store|$Y|fn free_room(|/head.store/s/Ordering::Release/Ordering::Relaxed/|H store in free_room, unbounded: Release -> Relaxed"
  echo "M7-store|$Y|fn tell_head(|/popped.store/s/Ordering::Release/Ordering::Relaxed/|popped store in tell_head: Release -> Relaxed"
  ord M7-load $B 'fn occupancy(' Acquire Relaxed 'popped load in occupancy'
  ord E1-link-acq $L 'fn link(' AcqRel Acquire 'next swap in link'
  ord E1-link-rel $L 'fn link(' AcqRel Release 'next swap in link'
  ord E1-link-rlx $L 'fn link(' AcqRel Relaxed 'next swap in link'
  ord E1-link-fail $L 'fn link(' Acquire Relaxed 'next swap in link, failure'
  ord E1-next $L 'fn next(' Acquire Relaxed 'next load in next'
  ord E2-recent $L 'fn recent(' Acquire Relaxed 'load in recent'
  ord E2-step-acq $L 'fn step(' AcqRel Acquire 'swap of recent in step'
  ord E2-step-rel $L 'fn step(' AcqRel Release 'swap of recent in step'
  ord E2-step-rlx $L 'fn step(' AcqRel Relaxed 'swap of recent in step'
  ord E3-passed $L 'fn find(' Release Relaxed 'passed store in find'
  ord E3-leave $L 'fn leave_behind(' Acquire Relaxed 'passed load in leave_behind'
  ord E5-acq $X 'fn claimed_so_far(' AcqRel Acquire 'T fetch_or in claimed_so_far'
  ord E5-rel $X 'fn claimed_so_far(' AcqRel Release 'T fetch_or in claimed_so_far'
  ord E5-rlx $X 'fn claimed_so_far(' AcqRel Relaxed 'T fetch_or in claimed_so_far'
  ord T-swap-sc $B 'fn swap_tail(' SeqCst AcqRel 'T swap, all callers' behind
  ord W1-clear $B 'fn clear_waiting(' SeqCst AcqRel 'H fetch_and in clear_waiting' behind
  ord W12-arrive $H 'fn arrive(' SeqCst AcqRel 'arrivals fetch_add in arrive' behind
  ord Q2-swap $G 'fn swap(' 'SeqCst, ' 'AcqRel, ' 'state swap' behind
  ord Q2-state $G 'fn state(' SeqCst Acquire 'state load' behind
  ord K2-returned $W 'fn is_returned(' Acquire Relaxed 'lent load in is_returned'
  ord K2-take $W 'fn take(' Release Relaxed 'lent store in take'
  ord N1-count $N 'fn now(' Acquire Relaxed 'count load in now'
  ord N1-upgrade $N 'fn upgrade(' AcqRel Relaxed 'count swap in upgrade'
  ord N1-upgrade-fail $N 'fn upgrade(' 'Acquire,$' 'Relaxed,' 'count swap in upgrade, failure'
  ord N1-drop-acq $N 'fn drop_strong(' AcqRel Acquire 'count fetch_sub in drop_strong'
  ord N1-drop-rel $N 'fn drop_strong(' AcqRel Release 'count fetch_sub in drop_strong'
  ord N1-drop-rlx $N 'fn drop_strong(' AcqRel Relaxed 'count fetch_sub in drop_strong'
  for o in Acquire Release Relaxed; do
    ord "Q1-swap-$o" $G 'fn swap(' 'SeqCst, ' "$o, " 'state swap'
  done
  ord Q1-confirm-acq $G 'fn confirm(' AcqRel Acquire 'state step in confirm'
  ord Q1-confirm-rel $G 'fn confirm(' AcqRel Release 'state step in confirm'
  ord Q1-state $G 'fn state(' SeqCst Relaxed 'state load'
  ord Q8-front $H 'fn front(' Acquire Relaxed 'front load' behind
  ord Q8-advance $H 'fn advance(' Release Relaxed 'front store'
  ord Q3-number $I 'fn number(&self' Acquire Relaxed 'number load'
  ord Q3-out $I 'fn set_out(' Release Relaxed 'number store in set_out'
  ord Q3-hint $O 'fn hinted(' Acquire Relaxed 'hint load in hinted'
  ord Q7-made $D 'fn make(' 'Acquire);' 'Relaxed);' 'made load in make'
  ord M4-task $G 'fn store_task(' Release Relaxed 'task store in store_task'
  ord M4-need $G 'fn need(' Acquire Relaxed 'need load in need'
  ord M5-end $G 'fn set_ended(' Release Relaxed 'end store in set_ended'
  ord M5-ended $G 'fn ended(' Acquire Relaxed 'end load in ended'
  ord N3-drop-acq $Z 'impl Drop for Owner' AcqRel Acquire 'count of owners, fetch_sub'
  ord N3-drop-rel $Z 'impl Drop for Owner' AcqRel Release 'count of owners, fetch_sub'
  ord N3-drop-rlx $Z 'impl Drop for Owner' AcqRel Relaxed 'count of owners, fetch_sub'
  ord N4-end $Z 'unsafe fn end(' Acquire Relaxed 'listed load in end'
  for o in Acquire Release Relaxed; do
    ord "N4-given-$o" $Z 'unsafe fn is_given_up(' AcqRel $o 'listed swap in is_given_up'
    ord "N4-release-$o" $Z 'unsafe fn release(' AcqRel $o 'listed swap in release'
  done
  ord N5-look $M 'pub(crate) fn look(' Acquire Relaxed "load of an entry's word in look"
  ord N5-list $M 'fn list(' 'Release' Relaxed "store of an entry's word in list"
  ord W2-made $J 'fn queue_or_new(' 'SeqCst,' 'AcqRel,' 'swap of the line in queue_or_new' behind
  ord W2-there $J 'fn queue_or_new(' 'SeqCst);' 'Acquire);' 'swap of the line in queue_or_new, failure' behind
  ord Q9-made $J 'fn queue_or_new(' 'SeqCst,' 'Acquire,' 'swap of the line in queue_or_new'
  ord Q9-there $J 'fn queue_or_new(' 'SeqCst);' 'Relaxed);' 'swap of the line in queue_or_new, failure'
  for o in Acquire Release; do
    echo "T-close_and_abandon-$o|$Y|fn close_and_abandon(|s/[.]update_tail(/.update_tail_$o(/|T swap in close_and_abandon alone: SeqCst -> $o"
  done
  echo "T-close_and_abandon-AcqRel|$Y|fn close_and_abandon(|s/[.]update_tail(/.update_tail_AcqRel(/|T swap in close_and_abandon alone: SeqCst -> AcqRel|behind"
  cat <<LIST
bug-head-store|$Y|fn free_room(|s/let old = .*;/let old = self.receiver.head.load(Ordering::Acquire); self.receiver.head.store(old + Head::step(n), Ordering::Release);/|the head moves by load and store
bug-no-tx-waiting|$B|fn set_waiting(|/self.receiver.head.fetch_or/d|TX_WAITING is not set
bug-overtake|$X|fn has_room(|s/if !nobody_waits()/if false/|claims ignore those who wait
bug-plain-overtake|$X|fn look_plainly<|s/if room \&\& nobody_waits()/if room/|plain claims ignore those who wait
bug-claim-closed|$X|fn has_room(|s/if tail.is_closed()/if false/|claims ignore CLOSED
bug-plain-closed|$P|fn is_plainly_below(|s/used . !OTHER_FLAGS/used \& !(OTHER_FLAGS + CLOSED)/|plain claims ignore CLOSED
bug-plain-permits|$P|fn is_plainly_below(|s/used . !OTHER_FLAGS/used \& !(OTHER_FLAGS + RES_FIELD)/|plain claims ignore permits
bug-plain-flag|$X|fn publish_head(|s/head.without_flag()/head/|head_cache has the flag of H
bug-plain-capacity|$P|fn is_plainly_below(|s/(POS_BITS) < limit/(POS_BITS) <= limit/|a plain claim is one too many
bug-stale-full|$X|fn refresh_room(|s/if self.tail() == tail .*<= self.limit/if true/|Full is said from an old tail
bug-capacity|$X|fn has_room(|s/<= self.limit/<= self.limit + 1/|one too many by the head cache
bug-grant-closed|$X|fn reserve_up_to(|s/tail.is_closed()/false/|the server grants after close
bug-park-unseen|$Y|fn park(|s/if tail.pos() != reader.pos()/if false/|park without the test that pos is the head
bug-park-drained|$Y|fn park(|s/if self.is_drained(tail, reader)/if false/|park on a drained channel
bug-claim-parked|$P|fn claim(|s/ & !RX_PARKED//|a claim leaves RX_PARKED set
bug-release-parked|$X|fn release(|s/if next.has_no_more(head) .*/next/|the last permit does not end the park
bug-release-head|$X|fn release(|s/self.update_tail(.tail. {/let head = self.head(); &/;s/^            let head = self.head();//|a release reads the head before the tail
bug-close-parked|$B|fn close_by_senders(|s/.senders_gone().unpark()/.senders_gone()/|the last sender leaves RX_PARKED set
bug-close-gone|$B|fn close_by_senders(|s/.senders_gone()//|the last sender does not say that permits can never be used
bug-final-gone|$P|fn has_no_more(|s/self.is_senders_gone() .. //|the receiver waits for permits that were forgotten
bug-gone-unseen|$X|fn claim_reserved(|s/!old.is_receiver_gone()/true/|permits ignore RX_GONE
bug-slow-gone|$X|fn claim_reserved_slow(|s/while !tail.is_receiver_gone()/while tail != Tail(u64::MAX)/|a permit that lost a race ignores RX_GONE
bug-slow-old|$X|fn claim_reserved_slow(|s/let mut tail = self.tail();/let first = self.tail(); let mut tail = first;/;s/old: tail/old: first/|a permit that lost a race has the slot of an older word
bug-slow-parked|$X|fn claim_reserved_slow(|s/old: tail/old: tail.unpark()/|a permit that lost a race does not say that it ended the park
bug-slow-permit|$X|fn claim_reserved_slow(|s/tail.claim_reserved()/tail.claim(1)/|a permit that lost a race stays out
bug-abandon-early|$Y|fn try_abandon(|s/while tail.pos() == reader.pos()/while tail != Tail(u64::MAX)/|the receiver leaves with messages in the ring
bug-occupancy|$B|fn occupancy(|s/let head = self.head();/let head = before;/|a length from an old head
bug-watermark|src/ring/watermark.rs|fn look_slow|s/if self.is_stamped(store, pos) {/if self.mark < 2 {/|the watermark counts unpublished slots
bug-stamp-first|$S|fn publish(|s/self.value.with_mut/self.stamp.mark(pos, Ordering::Release); &/|the stamp is stored before the value
bug-take-lent|$W|fn take(|/self.lent.store/d|take does not hand the cell back
bug-returned|$W|fn is_returned(|s/!self.lent.load(Ordering::Acquire)/true/|the receiver does not await the cell
bug-not-lent|$W|fn lend(|/self.lent.store/d|park does not mark the cell as lent
bug-no-wake-claim|$T|fn wake_if<|s/if was_parked/if false/|a claim that ended the park does not wake
bug-no-wake-release|$C|fn give_back(|s/if before.is_parked() .*{/if false {/|a release that ended the park does not wake
bug-no-wake-close|$C|fn drop_sender(|s/if before.is_parked()/if false/|a close that ended the park does not wake
bug-release-unserved|$C|fn release<|/senders.serve/d|a release does not serve the queue
bug-pop-unserved|$R|fn make_room(|s/self.hand_out(1, .*/{}/;s/!unsafe { self.senders.queue() }.serve_first()/false/|a pop does not serve the queue
bug-many-unserved|$R|fn poll_recv_many(|s/self.chan.serve_senders(.*/let _ = room;/|a batch does not serve the queue
bug-repoll|src/chan/park.rs|pub(super) fn park(|s/if state.parked.is_some() {/if state.parked.is_some() { if self.ring.tail().is_parked() { return Some(Nothing::Empty); }/|an armed poll keeps the old waker
bug-again-other|src/chan/park.rs|fn waits_on(|s/with.is(waker)/matches!(with.is(waker), _)/|a poll goes on in a park with another's waker
bug-again-ended|src/chan/park.rs|*|s/Some(_) if !tail.is_parked() .* =>/Some(_) if false =>/; s/if tail.is_parked() \&\& !tail.is_closed()/if !tail.is_closed()/; s/self.ring.stays_parked()/true/; s/self.receive_waits.go_on_parked(.*want)/true/|a poll goes on in a park that was ended
bug-again-load|$Y|fn stays_parked(|s/self.producers.tail.fetch_or(0, Ordering::AcqRel)/self.producers.tail.load(Ordering::Acquire)/|a poll goes on by a load of T
bug-again-send|$G|fn confirm(|s/self.state.fetch_or(0, Ordering::AcqRel)/self.state.load(Ordering::Acquire)/|a send that is polled again goes on by a load
K1-stays|$Y|fn stays_parked(|s/AcqRel/Acquire/|T step in stays_parked: AcqRel -> Acquire
bug-empty-in-flight|$R|fn try_recv_slow(|s/tail.pos() != state.reader.pos()/false/|try_recv says Empty while a claim is in flight
bug-drop-waker|$R|fn goes(|s/if state.parked.is_some() .*{/if true {/|the dropped receiver takes a waker that is not its own
bug-drop-early|$R|impl<T> Drop for Consumer<T>|s/while !gone && !self.erased().try_go()/while self.discard_next(panic) {} let _ = gone; let _ = self.erased().try_go(); if false/|the dropped receiver does not await claims in flight
bug-cancel-units|$T|fn give_up<|s/shared.release::<O>(assigned);//|a cancelled wait keeps its units
bug-close-waiters|$C|fn fail_senders(|s/senders.close(panic)/0/|close leaves senders asleep
bug-closed-units|$T|fn go_on(|s/self.closed(shared, assigned)/self.closed(shared, { let _ = assigned; 0 })/|a wait that close ended keeps its units
bug-closed-grant|$T|fn poll_held(|s/self.closed(shared, self.want.need())/self.closed(shared, 0)/|a grant that close overtook keeps its units
bug-last-sender|$N|fn drop_strong(|s/== 1/<= 2/|the channel closes one sender early
bug-list-load|$X|fn claimed_so_far(|s/fetch_or(0, Ordering::AcqRel)/load(Ordering::Acquire)/|the mover loads T instead of a step on it
bug-list-unseen|$L|fn find(|s/let claimed = observe();/let claimed = block.start().plus(LEN as u64);/|the mover does not look how far the claims are
bug-list-early|$L|fn find(|s/^ *let claimed = observe();//;s/if self.step(block, next) {/let claimed = observe(); if self.step(block, next) {/|the mover looks before it moves the pointer
bug-list-one-less|$L|fn find(|s/= observe();/= observe().plus(u64::MAX);/|the mover forgets the last claim
bug-list-unmarked|$L|fn find(|/block.passed.store/d|a block is never passed
bug-list-stuck|$L|fn find(|s/if self.step(block, next)/if false \&\& self.step(block, next)/|recent is never moved
bug-list-passed|$L|fn leave_behind(|s/passed == 0 .. head/passed != 0 \&\& head/|the receiver ignores that a block is not passed
bug-list-head|$L|fn leave_behind(|s/passed == 0 .. head.*/passed == 0 {/|the receiver ignores how far the claims were
bug-list-at|$L|fn leave_behind(|s/if front == at.0/if front.is_null()/|the receiver gives its own block back
bug-list-next|$L|fn reuse(|/(\*p).next.store/d|a reused block keeps its next
bug-list-mark|$L|fn reuse(|/(\*p).passed.store/d|a reused block is still passed
bug-list-start|$L|fn reuse(|s/^ *(\*p).start.with_mut.*//;s/Ok(()) => return,/Ok(()) => return unsafe { (*p).start.with_mut(\x7cp\x7c *p = start) },/|a reused block is linked before it has its start
bug-list-loser|$L|fn next_or_new(|s/unsafe { Self::free(new) };/let _ = next;/;s/^ *next$/new/|who loses the race for a link goes on with its own block
bug-list-leak|$L|fn next_or_new(|/unsafe { Self::free(new) };/d|who loses the race for a link leaks its block
bug-list-stamps|$L|fn vacate(|s/AtomicU8::new(0)/AtomicU8::new(1)/|the slots of a new block look published
bug-list-reset|$L|fn reuse(|s/if spare > 0/if false/|a reused block keeps its stamps
bug-list-plain-room|$Y|unsafe fn pop_from_list(|s/Popped::Message(value, room)/{ let _ = room; Popped::Message(value, Room::Free) }/|a plain pop from a list does not tell of its room
bug-list-left|$L|fn find(|s/while pos.since(block.start()) >= MAX_LEN/while false \&\& pos.since(block.start()) >= MAX_LEN/|a producer that was left behind does not go back
bug-list-early-free|$Y|fn try_abandon(|s/while tail.pos() == reader.pos()/unsafe { ring.free_list() }; while tail.pos() == reader.pos()/|the list is freed while a claim is under way
bug-list-prev|$L|fn reuse(|/(\*p).prev.with_mut/d|a reused block keeps its link back
bug-short-used|$L|fn reuse(|s/if unsafe { (\*p).is_own } { SPARE } else { 0 }/SPARE/|a short first block is used again
bug-short-freed|$L|unsafe fn free(|s/if is_own/if true/|a short first block is freed
bug-short-before|$L|fn in_space(|s/(LEN - n) as u64/(LEN - n - 1) as u64/|the list begins a slot before the first of a short block
bug-short-mark|$L|unsafe fn first<|s/slot(Pos::of(start));/slot(Pos::of(0));/|the watermark waits for a slot that a short first block does not have
bug-batch-stale|$X|fn take_capacity(|s/let next = if self.has_room(tail, n, .nobody_waits)? {/let allowed = self.has_room(tail, n, \&nobody_waits)?; if allowed { tail = self.tail(); } let next = if allowed {/|a newer word is taken for a permission
bug-batch-wake|$T|fn try_send_many(|/self.wake_if/d|a batch that ended the park does not wake
bug-list-seek|$L|fn go_on(|s/else { return false }/else { return true }/|the receiver takes a slot of the block before
bug-list-drop|$B|fn free_list(|s/unsafe { free(self.receiver.front.take()) };/let _ = free;/|the list is not freed
bug-upgrade|$N|fn upgrade(|s/while strong != 0/while strong != usize::MAX/|an upgrade from 0 succeeds
W12-arrivals|$H|fn arrivals(|s/load_sc()/load(Ordering::Acquire)/|arrivals is loaded by no SeqCst step
W2-tail|$B|fn tail_sc(|s/load_sc()/load(Ordering::Acquire)/|T is loaded by no SeqCst step
W1-head|$B|fn head_sc(|s/load_sc()/load(Ordering::Acquire)/|H is loaded by no SeqCst step
Q4-over-left|$G|fn is_over(|s/task.load(Ordering::Acquire)/task.load(Ordering::Relaxed)/|task load in is_over: Acquire -> Relaxed
Q4-over-ended|$G|fn is_over(|s/ended.load(Ordering::Acquire)/ended.load(Ordering::Relaxed)/|end load in is_over: Acquire -> Relaxed
Q3-begin|$O|fn first(|s/first.load()/first.load_relaxed()/|first load in first: Acquire -> Relaxed
Q3-next|$O|fn seek_from<|s/next.load()/next.load_relaxed()/|next load in seek_from: Acquire -> Relaxed
Q3-remember|$O|fn seek_from<|/hint.0/s/Release/Relaxed/|hint store in seek_from: Release -> Relaxed
Q3-append|$O|fn append(|s/link.swap(/link.swap_relaxed(/|link swap in append: Release -> Relaxed
Q3-fresh|$O|fn fresh(|s/link.load()/link.load_relaxed()/|link load in fresh: Acquire -> Relaxed
Q3-set-up-number|$I|fn set_up(|/number.store/s/Ordering::Release/Ordering::Relaxed/|number store in set_up: Release -> Relaxed
Q3-set-up-next|$I|fn set_up(|/next.0.store/s/Ordering::Release/Ordering::Relaxed/|next store in set_up: Release -> Relaxed
Q3-pass-first|$E|fn sweep_once(|s/first.load()/first.load_relaxed()/|first load in sweep_once: Acquire -> Relaxed
Q3-pass-next|$E|fn sweep_once(|s/next.load()/next.load_relaxed()/|next load in sweep_once: Acquire -> Relaxed
Q3-freeze|$E|fn sweep_once(|s/next.swap(/next.swap_relaxed(/|swap that freezes: Release -> Relaxed
Q3-unlink|$E|fn sweep_once(|s/link.swap(/link.swap_relaxed(/|swap that unlinks: Release -> Relaxed
Q7-take-load|$D|fn take(|s/spare.load()/spare.load_relaxed()/|top load in take: Acquire -> Relaxed
Q7-take-swap|$D|fn take(|s/spare.swap(/spare.swap_relaxed(/|top swap in take: Release -> Relaxed
Q7-put-load|$D|fn put(|s/spare.load()/spare.load_relaxed()/|top load in put: Acquire -> Relaxed
Q7-put-swap|$D|fn put(|s/spare.swap(/spare.swap_relaxed(/|top swap in put: Release -> Relaxed
Q7-entry|$D|fn make(|/let entered/,/is_ok/s/Ordering::Release/Ordering::Relaxed/|swap of an entry in make: Release -> Relaxed
Q7-entry-fail|$D|fn make(|/let entered/,/is_ok/s/Ordering::Acquire/Ordering::Relaxed/|swap of an entry in make, failure: Acquire -> Relaxed
Q7-made-swap|$D|fn make(|/self.made.compare/s/Ordering::Release/Ordering::Relaxed/|made swap in make: Release -> Relaxed
M3-sums|$U|fn add(|s/Ordering::Release/Ordering::Relaxed/|fetch_add of the sums in add: Release -> Relaxed
M3-waits|$U|fn sums(|s/waits.load(Ordering::Acquire)/waits.load(Ordering::Relaxed)/|load of the waits in sums: Acquire -> Relaxed
M3-waited|$U|fn sums(|s/waited_ns.load(Ordering::Acquire)/waited_ns.load(Ordering::Relaxed)/|load of the time in sums: Acquire -> Relaxed
M3-long-add|$U|fn add(&self, n|s/Ordering::Release/Ordering::Relaxed/|step of a long wait's bucket in add: Release -> Relaxed
M3-long-load|$U|fn past(|s/Ordering::Acquire/Ordering::Relaxed/|load of a bucket in past: Acquire -> Relaxed
bug-row-fresh|$I|fn set_up(|s/store(number . FRESH,/store(number,/|a renewed segment does not say that it is not linked
bug-row-number|$O|fn seek_from<|s/if !segment.has(known)/if false/|the number is not looked at after the link
bug-row-frozen|$O|fn seek_from<|s/None if link.is_frozen() => return None,//|who stands on a frozen segment does not go back
bug-row-late|$O|fn fresh(|s/if link.load() != end/if false/|a segment may have a number twice
bug-row-by|$I|fn number_by(|s/ \&\& fits//|the number behind a link is not compared with the link
bug-row-out|$I|fn set_out(|/number.store/d|what is taken out keeps its number
bug-sweep-over|$E|fn sweep_once(|s/if !segment.is_over()/if false/|a sweep takes out whatever is not last
bug-sweep-freeze|$E|fn sweep_once(|s/if !segment.next.swap(next, next.frozen())/if false/|a segment is unlinked that is not frozen
bug-sweep-left|$E|fn sweep_once(|s/let number = segment.number_by(at)?;/& if next.is_frozen() { return Some(kept) }/|what is frozen is left to who has frozen it
bug-sweep-end|$E|fn sweep_once(|s/next.is_end() .. //|the last segment is frozen
bug-sweep-number|$E|fn sweep_once(|s/segment.number_by(at)?/segment.number()/|a link is taken for one of another life
bug-sweep-twice|$E|fn sweep_once(|s/if !link.swap(at, next.thawed())/link.swap(at, next.thawed()); if false/|who has not unlinked a segment puts it back too
bug-pool-count|$D|fn put(|s/top.number() + 1/top.number()/|the top of the spare ones does not count
bug-pool-below|$D|fn put(|/segment.below.store/d|a spare segment does not know what is below
bug-visit-end|$V|fn for_each(|s/number [*] LEN < end/number < u64::MAX/;s/(end - number [*] LEN)/LEN/|the walk of a snapshot goes on to those who came since
bug-visit-left|$V|pub(crate) fn visit(|s/ \&\& !left//|a snapshot shows who has seen the end of its wait
M4-since|$G|fn set_waiter(|/since.store/s/Ordering::Release/Ordering::Relaxed/|since store in set_waiter: Release -> Relaxed
M4-need-store|$G|fn set_waiter(|/want.store/s/Ordering::Release/Ordering::Relaxed/|need store in set_waiter: Release -> Relaxed
M4-waiter-task|$G|fn waiter(|/task.load/s/Ordering::Acquire/Ordering::Relaxed/|task load in waiter: Acquire -> Relaxed
M4-waiter-since|$G|fn waiter(|/since.load/s/Ordering::Acquire/Ordering::Relaxed/|since load in waiter: Acquire -> Relaxed
M4-waiter-need|$G|fn waiter(|/want.load/s/Ordering::Acquire/Ordering::Relaxed/|need load in waiter: Acquire -> Relaxed
bug-second-look|$A|fn register_generally(|s/source.take(need - hand)$/Some(0)/|register does not look for room again
bug-late-call|$A|*|/^        source.set_waiting();/d;s/step("register: looked");/source.set_waiting();/|TX_WAITING is set after the look
bug-uncall|$R|fn hand_out(|s/if !self.queue().is_empty_sc()/if false/|TX_WAITING is cleared without a second look
bug-uncleared|$R|fn hand_out(|s/if left > 0/if false/|TX_WAITING is never cleared
bug-recall|$R|fn hand_out(|/self.ring.set_waiting();/d|TX_WAITING stays cleared though somebody came
bug-hold-frees|$P|fn hold(|s/add_permits(self.0, n.wrapping_neg())/self.0/|a pop that holds the room frees it as well
bug-hold-twice|$P|fn hold(|s/add_permits(self.0, n.wrapping_neg())/add_permits(self.0, (2 * n).wrapping_neg())/|a pop holds twice what it takes
bug-hold-bit|$P|fn hold(|s/add_permits(self.0, n.wrapping_neg())/add_permits(self.0 \& !Self::TX_WAITING, n.wrapping_neg())/|a pop that holds clears TX_WAITING
bug-borrow|$P|fn claim_reserved(|s/self.claim(1).unreserve(1)/Self(self.claim(1).0.wrapping_sub(1 << RES_SHIFT))/|a held permit borrows from the position
bug-hand-idle|$F|fn serve(|s/hand == 0 .. self.line.is_empty_sc()/self.line.is_empty_sc()/|what a pop holds is lost if nobody waits
bug-cache-store|$X|fn publish_head(|s/let _ = cache.compare_exchange(.*/let _ = known; cache.store(head.0, Ordering::Release);/|head_cache may go back
bug-keep-up-from|$X|fn refresh_head_cache_by(|s/self.publish_head(self.head_cache(), now);/let _ = now;/|pops that hold leave head_cache behind
bug-fill-store|$A|fn fill(|s/if place.swap(empty, empty.to(Kind::Waiting).assign(hand)).is_ok() {/let now = place.state(); let _ = place.swap(now, empty.to(Kind::Waiting)); if true {/|a place is filled though it is Gone
bug-part-lost|$G|fn pass(|/hand += state.assigned();/d|who passes a place loses the part in it
bug-empty-unmarked|$G|fn pass(|s/match self.swap(state, gone) {/match Ok::<(), State>(()) {/|Empty places are passed without marking them
bug-front-late|$H|fn is_empty_sc(|s/let front = self.front();//;s/front == self.arrivals()/let arrivals = self.arrivals(); arrivals == self.front()/|arrivals are read before the front
bug-serve-end|$F|fn serve_slow(|s/self.walk_to(0)/self.walk_to(self.line.arrivals())/;s/walk.next_of_all()/walk.next()/|serve does not look at the arrivals again
bug-hand|$F|fn put_back(|/give_back/d|units that are left are dropped
bug-hand-full|$F|fn serve_slow(|/wakes.is_full/,/}/s/owed += .*;/hand = 0;/|units in hand before wakers are called are dropped
bug-pass-hand|$F|fn pass_by(|/serve: passed/,\$s/Self::put_back(core::mem::take(hand), source, panic)/core::mem::take(hand)/|what was assigned in a place that is passed is lost
bug-pass-room|$F|fn pass_by(|s/source.has_room()/false/|who has room passes nobody
bug-hand-last|$F|fn serve_slow(|/it was for has given up/,/continue/s/continue;/break;/|who gives back what is in hand does not look again
bug-comes-first|$A|fn keep_part(|s/first = false;/first = true;/|who is not first keeps a part of its need
bug-first-unmarked|$A|fn keep_part(|s/state = other.pass(state, hand);/break;/|the first in line does not mark those before it
bug-part|$F|fn serve_slow(|s/let full = n == missing;/let full = true;/|a part of the need ends the wait
bug-close-empty|$EARLY|fn close_slow(|s/state = place.pass(state, .mut hand);/break;/|close passes Empty places without marking them
bug-close-end|$EARLY|fn close_slow(|s/walk.next_of_all()/walk.next()/|close does not look at the arrivals again
bug-close-look|$A|*|s/(!source.is_closed()).then_some(0)/Some(0)/;s/ \&\& !source.is_closed()\$//|who stands behind others does not look whether it is closed
bug-close-both|$EARLY $A|*|s/while let Some((index, place, mut state)) = walk.next_of_all()/while let Some((index, place, mut state)) = walk.next()/;s/(!source.is_closed()).then_some(0)/Some(0)/;s/ \&\& !source.is_closed()\$//|bug-close-end and bug-close-look at once
bug-look-behind|$A|fn register_generally(|s/if self.anybody_before(index) {/if false {/|register_generally takes room though others wait
bug-updating-final|$G|fn is_final(|s/!self.is_waiting()/self.kind() != Kind::Waiting/|Updating is taken for final
bug-updating-waker|$BATCH|fn end_wait(|s/if before.kind() == Kind::Updating/if false/|the server takes the waker while its owner changes it
bug-waker-first|$F|fn serve_slow(|s/if let Err(now) = place.swap(state, next) {/let early = if full { unsafe { place.take_waker() } } else { None }; &/;s/unsafe { wakes.end_wait(.*/if let Some(early) = early { wakes.push(early) } place.set_ended(1);/|the waker is taken before the swap
bug-ended-first|$G|unsafe fn end(|s/let waker = unsafe/self.set_ended(at); &/|the end is noted before the waker is taken
bug-old-waker|$Q|pub(crate) unsafe fn poll(|s/spare = spare.and_then(.*//|a waiting sender's new waker is ignored
bug-front|$K|fn skip_to(|s/if self.front == self.next/if true/|a walk moves the front over what may not be final
bug-over-left|$G|fn is_over(|s/self.task.load(Ordering::Acquire) == LEFT .. //|a sweep ignores left
bug-over-ended|$G|fn is_over(|s/ .. self.ended.load(Ordering::Acquire) != 0//|a sweep ignores the end
bug-tag|$G|fn is_of(|s/self.0 >> 32 == .*/segment < u64::MAX/|a place is of any segment
bug-renew-state|$G|fn renew(|/self.state.store/d|a renewed place is of its old segment
bug-renew-over|$G|fn renew(|/self.set_waiter/d;/self.set_ended/d|a renewed place is over
bug-must-look|$A|fn must_wait(|s/return source.is_full();/return true;/|the first in line does not look at the channel before it waits
bug-must-early|$A|) fn register(|s/let (index, place) = self.arrive(source);/let early = source.is_full(); &/;s/if self.must_wait(index, source)/if early \&\& self.line.front() == index \x7c\x7c self.must_wait(index, source)/|the first in line looks at the channel before it arrives
bug-must-closed|$A|fn must_wait(|s/ \&\& !source.is_closed()\$//|who stands behind others does not look whether it is closed, on the plain path
bug-must-empty|$A|fn must_wait(|s/state.is_waiting()/state.is_open(number)/|who stands behind an Empty place waits without a look
bug-must-tag|$A|fn must_wait(|s/state.is_of(number) \&\& //|who waits in another segment is taken for the first in line
bug-full-relaxed|$X|fn is_full(|s/self.tail_sc()/Tail(self.producers.tail.load(Ordering::Relaxed))/|who must wait is told by a Relaxed look at T
bug-full-head|$X|fn is_full(|s/let tail = self.tail_sc();/let head = self.head(); &/;s/used(self.head())/used(head)/|who must wait is told by a head that was read before the tail
bug-full-closed|$X|fn is_full(|s/!tail.is_closed() \&\& //|a full channel makes wait though it is closed
bug-fill-unchecked|$A|fn fill(|s/if place.swap(empty, empty.to(Kind::Waiting).assign(hand)).is_ok() {/let _ = place.swap(empty, empty.to(Kind::Waiting)); if true {/|who fills its place does not see that it was passed
bug-fill-hand|$A|fn fill(|s/.assign(hand)//|who fills its place loses what it has in hand for it
bug-first-need|$F|fn serve_first(|s/ .. place.need() != 1//|one unit ends a wait for more
bug-first-front|$F|fn serve_first(|/self.line.advance(/d|serve_first leaves the front where it is
bug-first-early|$F|fn serve_first(|s/if place.swap(waiting/if let Some(early) = unsafe { place.take_waker() } { wake(early) }; &/|serve_first wakes before the swap
bug-first-updating|$F|fn serve_first(|s/if place.state() != waiting/let now = place.state(); let waiting = if now == waiting.to(Kind::Updating) { now } else { waiting }; if now != waiting/|serve_first takes Updating for Waiting
bug-first-free|$R|fn make_room(|s/if room == Room::Held {/if room != Room::Seldom {/|serve_first gives what the pop has freed
bug-granted-waiting|$Q|fn take_granted(|s/if place.state().kind() != Kind::Granted/let kind = place.state().kind(); if kind != Kind::Waiting \&\& kind != Kind::Granted/|a poll takes a Waiting place for a Granted one
bug-due-unmoved|$Y|fn move_due_head(|s/self.move_head_inline(reader, 1, true)/Room::Free/|H is never moved over what was taken from an array
bug-due-forgotten|$R|fn make_room(|s/self.ring.move_due_head(reader)/{ let _ = reader; Room::Free }/|a head that is due is never moved
bug-begin-waits|$T|fn begin_claim(|s/if self.ring.was_full(.from)/if true/|whoever cannot send plainly waits
bug-find-once|$O|) fn find(|s/[.]or_else(.*//|a segment is found by the hint or not at all
W2-line|$J|fn queue(|s/load_sc()/load(Ordering::Acquire)/|the line is loaded by no SeqCst step
Q9-line|$J|fn queue(|s/load_sc()/load(Ordering::Relaxed)/|the line is loaded with Relaxed|behind
bug-owner-one|$Z|unsafe fn two(|s/AtomicUsize::new(2)/AtomicUsize::new(1)/|two owners begin as one
bug-owner-early|$Z|impl Drop for Owner|s/AcqRel) == 1/AcqRel) <= 2/|the last but one ends it
bug-owner-uncounted|$Z|impl Clone for Owner|s/fetch_add(1,/fetch_add(0,/|a clone does not count
bug-owner-revived|$Z|fn upgrade(|s/while seen != 0/while seen != usize::MAX/|a listing has an owner more where there was none
bug-owner-unlisted|$Z|fn listing(|/listed.store/d|a listing does not say that it is there
bug-owner-freed|$Z|unsafe fn end(|s/if !(.*/if true {/|the memory is freed though it is listed
bug-listing-stays|$Z|unsafe fn strike(|/listed.store/d|a listing that was struck off counts
bug-entry-two-looks|$M|fn begin(|s/if !locked.guarded.looking/if true/|two look at a time
bug-entry-unseen|$M|pub(crate) fn look(|/self.begin();/d|a look does not say that it looks
bug-entry-freed|$M|fn strike(|s/if \*looking/if false/|who strikes off does not ask whether somebody looks
bug-entry-unmarked|$M|fn strike(|s/at . STRUCK/at/|an entry that was struck off under a look is not marked
bug-entry-at-once|$M|fn strike(|s/STRUCK), struck)/STRUCK), vacant)/|it is vacant at once
bug-entry-left|$M|fn strike(|s/(ptr::without_provenance_mut(STRUCK), vacant)/(raw, vacant)/|an entry keeps its channel
bug-entry-kept|$M|fn end(|/}).release() }/d;/& !STRUCK)).release()/d|what was left to a look is not given up
bug-entry-twice|$M|fn end(|s/mem::replace(&mut locked.guarded.struck, NONE)/locked.guarded.struck/|what was left to a look is left to the next as well
bug-entry-looks-on|$M|fn end(|/looking = false/d|a look does not say that it is over
bug-entry-lost|$M|fn end(|/guarded.vacant = first/d|entries that were left to a look are lost
bug-entry-pointer|$M|fn end(|/entry.word.store/d|an entry that was left to a look keeps its pointer
bug-entry-taken|$M|fn list(|/guarded.vacant = entry.next/d|a vacant entry stays the first of them
bug-closed-two|$J|fn queue_or_new(|s/self.0.compare_exchange.*/{ self.0.store(new, Ordering::SeqCst); Ok::<_, *mut WaitQueue>(new) };/|a second line takes the place of the first
bug-closed-own|$J|fn queue_or_new(|/drop(unsafe/d;s/^ *there\$/new/|who comes second waits in a line of its own
bug-closed-unwoken|$C|fn fail_waiting(|s/if let Some(line) = self.on_close.queue()/if let Some(line) = self.on_close.queue() \&\& false/|close does not wake who waits for it
bug-closed-early|$C|fn close_by_receiver<|s/let closed = close();/if let Some(line) = self.on_close.queue() { line.close(panic); } let closed = close();/;s/self.fail_waiting(panic)/self.fail_senders(panic)/|who waits for the end is woken before it
bug-closed-look|$C|*|/^impl Source for ClosedSource/,/^}/{s/(!self.is_closed()).then_some(0)/Some(0)/;s/^        !self.is_closed()/        true/}|who comes to wait for the end does not look whether it has come
bug-abandon-unread|$Y|fn close_and_abandon(|s/tail.pos() == reader.pos()/reader.pos() == reader.pos()/|the receiver goes by its closing step with messages in the ring
bug-abandon-open|$Y|fn close_and_abandon(|s/tail.close().receiver_gone()/tail.receiver_gone()/|the receiver goes and does not close
bug-abandon-unsaid|$Y|fn close_and_abandon(|s/tail.close().receiver_gone()/tail.close()/|the receiver goes by its closing step and does not say so
bug-abandon-freed|$Y|fn close_and_abandon(|s/if goes(before)/if true/|the list is freed by the closing step, whatever is left
LIST
}

if [ -n "$list" ]; then mutants | grep -E "$only" | awk -F'|' '{ printf "%-24s %s\n", $1, $5 }'; exit; fi

# Applies one mutant to a copy; fails if a file has not changed.
apply() { # dir files fn expr
  local range file
  for file in $2; do
    range=$(awk -v fn="$3" '!a && index($0, fn) { a = NR } a && /^ ? ? ? ?}$/ { print a "," NR; exit }' "$1/$file")
    [ "$3" != '*' ] || range='1,$'
    [ -n "$range" ] && sed -i "${range}{$4}" "$1/$file" && ! cmp -s "$1/$file" "$1/pristine/${file#src/}" || return
  done
}

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export RUSTFLAGS="--cfg parshall_loom --cfg parshall_loom_inside" CARGO_PROFILE_LOOM_DEBUG=0 CARGO_PROFILE_LOOM_OPT_LEVEL=1 RUST_BACKTRACE=0 CARGO_TERM_COLOR=never
# The slow half, tried only on those that survive the quick half.
slow='l1_|l3_|l9_ping|l10_|l11_|l22_|l24_|close_against|permit_reuses|l6_|l16_|l17_|l21_recv|l21_try|l4_in_flight|bits_|a_hint_is|a_place_has|two_make_the_next'

prepare() { # worker
  local dir=$work/$1
  mkdir -p "$dir"
  (cd "$root" && tar cf - --exclude=./target --exclude=./.git --exclude=./fuzz .) | tar xf - -C "$dir"
  # One copy of the swap for each weaker ordering, for mutants of one caller alone.
  local extra='' o
  for o in Acquire Release AcqRel; do
    extra+="    #[allow(dead_code)] pub(super) fn swap_tail_$o(\&self, from: Tail, to: Tail) -> Result<(), Tail> {\n"
    extra+="        self.producers.tail.compare_exchange(from.0, to.0, Ordering::$o, Ordering::Acquire).map(drop).map_err(Tail)\n    }\n"
  done
  sed -i "0,/^impl<Cold> Ring<Cold> {/s//&\n$extra/" "$dir/$B"
  # And of `update_tail`.
  for o in Acquire Release AcqRel; do
    sed -n '/^    pub(super) fn update_tail(/,/^    }/p' "$dir/$B" |
      sed "1i #[allow(dead_code)]
s/update_tail(/update_tail_$o(/;s/swap_tail(/swap_tail_$o(/" >"$dir/extra"
    sed -i "0,/^impl<Cold> Ring<Cold> {/{/^impl<Cold> Ring<Cold> {/r $dir/extra
}" "$dir/$B"
  done
  # Likewise for links.
  extra="    #[allow(dead_code)] pub(super) fn swap_relaxed(\&self, from: Link, to: Link) -> bool {\n"
  extra+="        self.0.compare_exchange(from.0, to.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()\n    }\n"
  extra+="    #[allow(dead_code)] pub(super) fn load_relaxed(\&self) -> Link {\n        Link(self.0.load(Ordering::Relaxed))\n    }\n"
  sed -i "0,/^impl AtomicLink {/s//impl AtomicLink {\n$extra/" "$dir/$I"
  cp -r "$dir/src" "$dir/pristine"
  # All models in one binary: compiling is most of the work.
  (cd "$dir/loom-tests" && printf '\n[[test]]\nname = "all"\npath = "tests/all.rs"\n' >>Cargo.toml &&
    sed -i 's/^publish = false/&\nautotests = false/' Cargo.toml &&
    for file in tests/*.rs; do
      m=$(basename "$file" .rs)
      [[ " ${FILES:-$m} " == *" $m "* ]] || continue
      echo "#[path = \"$m.rs\"] mod $m;"
    done >all.rs &&
    { printf '//! All models.\n#![cfg(parshall_loom)]\n'; cat all.rs; } >tests/all.rs)
  if [ -n "${SEED:-}" ]; then cp -a "$SEED" "$dir/target"; fi
}

build() { # dir file -> lines "binary"
  local dir=$1 status=0 target
  # The row has models of its own (Q3 to Q7), and those of a channel take it as given. The words
  # have one (C1).
  local targets=('-p loom-tests --test all')
  case $2 in
    $O | $I | $D | $E | $V | $U | $M) targets=('-p parshall --lib') ;;
    $G | $Q | $A | $F | $EARLY | $BATCH | $H | $L | $X | $Y | $Z | $J) targets=('-p parshall --lib' '-p loom-tests --test all') ;;
  esac
  for target in "${targets[@]}"; do
    # shellcheck disable=SC2086
    (cd "$dir" && CARGO_TARGET_DIR=$dir/target timeout 600 \
      cargo test --offline $target --profile loom --no-run 2>&1) |
      awk -v dir="$dir" '/^error/ { bad = 1 } /Executable/ { gsub(/[()]/, "", $NF); print ($NF ~ /^\// ? "" : dir "/") $NF; n++ } END { exit bad || !n }' || status=1
  done
  return $status
}

# Runs models one by one, until four have failed; prints those.
models() { # which binary...
  local which=$1 binary test status kills=0
  shift
  for binary in "$@"; do
    for test in $("$binary" --list 2>/dev/null | sed -n 's/: test$//p' | grep -v '::tests::'); do
      [[ ${test##*::} =~ ${MODELS:-.} && ! $test =~ $others ]] || continue
      if [[ $test =~ ::($slow) ]]; then [ "$which" = slow ] || continue; else [ "$which" = quick ] || continue; fi
      timeout -k 5 "$LIMIT" "$binary" --exact "$test" >/dev/null 2>&1
      status=$?
      case $status in
        0) continue ;;
        124 | 137) echo "${test##*::}!" ;;
        *) echo "${test##*::}" ;;
      esac
      kills=$((kills + 1))
      [ $kills -lt "$KILLS" ] || return
    done
  done
}

worker() { # number: its share of the mutants
  local dir=$work/$1 id file fn expr what binaries failed verdict half others
  prepare "$1"
  while IFS='|' read -r id file fn expr what way; do
    if ! apply "$dir" "$file" "$fn" "$expr"; then
      verdict=stale failed=''
    elif [ -n "$try" ]; then
      verdict=applies failed=''
    elif ! binaries=$(RUSTFLAGS+=${way:+ --cfg parshall_fence_behind} build "$dir" "$file"); then
      verdict=broken failed=''
    else
      case $file in
        $O | $I | $D | $E | $G | $Q | $A | $F | $EARLY | $BATCH | $H | $V | $U) others='^(ring|chan)::' ;;
        $Z | $J | $M) others='^(ring|wait)::' ;;
        *) others='^(wait|chan)::' ;;
      esac
      # shellcheck disable=SC2086
      for half in quick slow; do
        failed=$(models $half $binaries | xargs)
        [ -z "$failed" ] || break
      done
      verdict=killed
      [ -n "$failed" ] || verdict=survived
    fi
    printf '%s\t%s\t%s\t%s\t%s\n' "$id" "$file" "$what" "$verdict" "$failed" >>"$work/report"
    printf '%-24s %-9s %s\n' "$id" "$verdict" "$failed" >&2
    for expr in $file; do cp "$dir/pristine/${expr#src/}" "$dir/$expr"; done
  done < <(mutants | grep -E "^[^|]*($only)" | awk -v n="$1" -v jobs="$jobs" 'NR % jobs == n')
}

: >"$work/report"
for ((n = 0; n < jobs; n++)); do worker "$n" & done
wait
sort "$work/report" >"$report"
! grep -qP '\t(stale|broken)\t' "$work/report"
