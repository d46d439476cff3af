import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Alarm } from "../Alarm.ts"
import type { Steps, Target } from "../KvBackend.ts"
import type { Changed } from "../KvEntry.ts"
import { Compacted } from "../KvEntry.ts"
import { KvMachine, seenBy } from "../KvMachine.ts"

const kept = 10_000

/** The machine behind a thin shell: it gives the machine its time, and tells those who watch that there is something new. */
export const memorySteps = (): Effect.Effect<Steps, never, Scope.Scope> =>
  Effect.gen(function*() {
    const machine = new KvMachine(kept)
    const watchers = new Set<() => void>()
    /** One step of the machine, after what has ended by now. */
    const step = <A>(run: (now: number) => A): A => {
      const before = machine.revision
      const now = alarm.now()
      machine.expire(now)
      const result = run(now)
      alarm.ring(machine.next)
      if (machine.revision !== before) { for (const tell of watchers) tell() }
      return result
    }

    const alarm: Alarm<never> = new Alarm(yield* Clock.Clock, Effect.sync(() => step(() => machine.next)))
    yield* Effect.forkScoped(alarm.run)

    const grant = (ttl: number) => step((now) => ({ id: machine.grant(now, ttl), ttl, until: now + ttl }))

    const revoke = (id: string) => step((now) => machine.revoke(now, id))

    return {
      get: (key) => Effect.sync(() => step(() => machine.get(key))),
      range: (prefix, after, limit) => Effect.sync(() => step(() => machine.range(prefix, after, limit))),
      commit: (commit) => Effect.sync(() => step((now) => machine.commit(now, commit))),
      grant: (ttl) => Effect.sync(() => grant(ttl)),
      renew: (leases) =>
        Effect.sync(() =>
          step((now) => leases.map(({ id, ttl }) => machine.renew(now, id, ttl) ? now + ttl : undefined))
        ),
      revoke: (id) => Effect.sync(() => revoke(id)),
      revokeUnsafe: revoke,
      watch: (target, from) => watch(machine, watchers, target, from)
    }
  })

/** Reads the machine's history at the reader's pace: a slow reader holds nothing but its place in it. */
const watch = (
  machine: KvMachine,
  watchers: Set<() => void>,
  target: Target,
  from: bigint | undefined
): Stream.Stream<Changed, Compacted> =>
  Stream.unwrap(Effect.gen(function*() {
    let next = from ?? machine.revision + 1n
    const more = Latch.makeUnsafe(false)
    const tell = () => void more.openUnsafe()
    yield* Effect.acquireRelease(
      Effect.sync(() => watchers.add(tell)),
      () => Effect.sync(() => watchers.delete(tell))
    )
    const pull: Effect.Effect<ReadonlyArray<Changed>, Compacted> = Effect.suspend(() => {
      more.closeUnsafe()
      const found = machine.since(next)
      if (found === undefined) return Effect.fail(new Compacted({ requested: next, oldest: machine.oldest }))
      next = next > machine.revision ? next : machine.revision + 1n
      const seen = found.flatMap((changed) => seenBy(target, changed) ?? [])
      return seen.length > 0 ? Effect.succeed(seen) : Effect.andThen(more.await, pull)
    })
    return Stream.fromIterableEffectRepeat(pull)
  }))
