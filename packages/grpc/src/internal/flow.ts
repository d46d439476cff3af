/** Between Node's streams of messages and Effect, one message after the other: whoever is slow holds the other side back. */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Readable, Writable } from "node:stream"

/** As many as a stream of Node keeps at most by itself. */
const most = 16

type Batch<A> = Arr.NonEmptyReadonlyArray<A>

/**
 * Takes what has come, or waits for it. `over` says how the stream has ended, once it has; what came before that is taken first.
 *
 * **Interruption**
 *
 * Stops waiting.
 */
export const inlet = <A, E>(readable: Readable, over: () => Exit.Exit<never, E> | undefined) => {
  let waiting: (() => void) | undefined
  let listening = false
  const take = (): Batch<A> | undefined => {
    const first: A | null = readable.read()
    if (first === null) return undefined
    const batch: [A, ...Array<A>] = [first]
    while (batch.length < most) {
      const more: A | null = readable.read()
      if (more === null) break
      batch.push(more)
    }
    return batch
  }
  /** Looks again: something has come, or the end. */
  const wake = () => waiting?.()
  const pull = Effect.callback<Batch<A>, E>((resume) => {
    waiting = () => {
      const batch = take()
      const end = batch === undefined ? over() : undefined
      if (batch === undefined && end === undefined) return
      waiting = undefined
      resume(batch === undefined ? end ?? Effect.never : Effect.succeed(batch))
    }
    if (!listening) {
      listening = true
      readable.on("readable", wake).on("end", wake)
    }
    wake()
    return Effect.sync(() => {
      waiting = undefined
    })
  })
  return { pull, wake }
}

/**
 * Writes messages, and waits whenever the other side has to catch up.
 *
 * **Interruption**
 *
 * Stops waiting. What was written is on its way.
 */
export const write = <A>(writable: Writable, messages: ReadonlyArray<A>): Effect.Effect<void> =>
  Effect.callback((resume) => {
    let next = 0
    const go = () => {
      while (next < messages.length) {
        const hasRoom = writable.write(messages[next++])
        if (!hasRoom) return void writable.once("drain", go)
      }
      resume(Effect.void)
    }
    go()
    return Effect.sync(() => writable.off("drain", go))
  })
