/** Callers that each take one key again and again, and suspend once while they have it. */
import { Mutex } from "async-mutex"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { KeyedMutex } from "heddle/flow"
import type { Load, Open } from "../../harness/Load.ts"

const turn = Effect.promise(() => Promise.resolve())

const effects = (callers: number, locked: Effect.Effect<unknown>): Load => ({
  run: (count) => {
    let left = count
    const caller = Effect.whileLoop({ while: () => left-- > 0, body: () => locked, step: () => {} })
    const all = Array.from({ length: callers }, () => caller)
    return Effect.runPromise(Effect.forEach(all, (one) => one, { concurrency: "unbounded", discard: true }))
  }
})

export const heddle = (callers: number): Open => async () => {
  const mutex = await Effect.runPromise(KeyedMutex.make<string>())
  return effects(callers, mutex.withLock("key")(turn))
}

/** The least that Effect's runtime allows: those who wait in an array, each resumed by who goes. No key, no interruption. */
export const floor = (callers: number): Open => () => {
  let held = false
  let line: Array<() => void> = []
  let next = 0
  const pass = () => {
    const resume = line[next++]
    if (resume === undefined) {
      held = false
      line = []
      next = 0
      return
    }
    if (next === 1024) {
      line = line.slice(next)
      next = 0
    }
    resume()
  }
  const wait = Effect.callback<void>((resume) => void line.push(() => resume(Effect.void)))
  const passed = Effect.sync(pass)
  const section = Effect.andThen(turn, passed)
  const locked = Effect.suspend(() => {
    if (held) return Effect.andThen(wait, section)
    held = true
    return section
  })
  return Promise.resolve(effects(callers, locked))
}

/** As many callers whose turns are the same, and no line: what so many fibers cost by themselves. */
export const alone = (callers: number): Open => () => Promise.resolve(effects(callers, turn))

export const semaphore = (callers: number): Open => () => {
  const locks = new Map([["key", Semaphore.makeUnsafe(1)]])
  const locked = Effect.suspend(() => locks.get("key")?.withPermit(turn) ?? Effect.void)
  return Promise.resolve(effects(callers, locked))
}

export const asyncMutex = (callers: number): Open => () => {
  const locks = new Map([["key", new Mutex()]])
  const run = (count: number) => {
    let left = count
    const caller = async () => {
      while (left-- > 0) await locks.get("key")?.runExclusive(() => Promise.resolve())
    }
    return Promise.all(Array.from({ length: callers }, caller))
  }
  return Promise.resolve({ run })
}
