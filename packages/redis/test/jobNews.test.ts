import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { JobNews } from "../src/internal/jobNews.ts"
import type { Hearer, Subscriber } from "../src/internal/Subscriber.ts"

/** A subscriber that writes down what it is asked for, and a clock that is set. */
const making = (join: () => Promise<void> = () => Promise.resolve()) => {
  const asked: Array<string> = []
  const hearers = new Set<Hearer>()
  const subscriber: Subscriber = {
    sharded: false,
    join: (channel, hearer) => {
      asked.push(`join ${channel}`)
      hearers.add(hearer)
      return join()
    },
    leave: (channel, hearer) => {
      asked.push(`leave ${channel}`)
      hearers.delete(hearer)
    },
    joinPattern: () => Promise.resolve(),
    leavePattern: () => {},
    ping: () => void asked.push("ping")
  }
  const clock = { now: 0, rings: Infinity }
  const news = new JobNews(subscriber, () => clock.now, (instant) => {
    clock.rings = Math.min(clock.rings, instant)
  })
  const tell = () => hearers.forEach((one) => one.onMessage("a"))
  return { asked, clock, news, tell, once: (wake = () => {}) => Effect.scoped(news.listen("a", wake)) }
}

describe("who waits for news of jobs", () => {
  it.effect("subscribes once for one claim after the other, and leaves ten seconds after the last", () =>
    Effect.gen(function*() {
      const { asked, clock, news, once } = making()
      yield* once()
      clock.now = 5000
      yield* once()
      assert.strictEqual(clock.rings, 10_000)
      clock.now = 14_999
      assert.strictEqual(news.look(), 15_000)
      assert.deepStrictEqual(asked, ["join a"])
      clock.now = 15_000
      assert.strictEqual(news.look(), Infinity)
      yield* once()
      assert.deepStrictEqual(asked, ["join a", "leave a", "join a"])
    }))

  it.effect("leaves nothing that somebody listens to, and asks once in ten seconds whether it is still heard", () =>
    Effect.scoped(Effect.gen(function*() {
      const { asked, clock, news, once } = making()
      yield* news.listen("a", () => {})
      yield* once()
      for (clock.now = 0; clock.now < 25_000; clock.now += 100) {
        news.look()
        yield* once()
      }
      assert.deepStrictEqual(asked, ["join a", "ping", "ping"])
      news.close()
      assert.strictEqual(asked.at(-1), "leave a")
    })))

  it.effect("wakes all who listen, and nobody who has left", () =>
    Effect.gen(function*() {
      const { news, once, tell } = making()
      const woken: Array<string> = []
      yield* once(() => void woken.push("gone"))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* news.listen("a", () => void woken.push("one"))
        yield* news.listen("a", () => void woken.push("two"))
        tell()
      }))
      assert.deepStrictEqual(woken, ["one", "two"])
    }))

  it.effect("asks again for what could not be heard", () =>
    Effect.gen(function*() {
      const { asked, once } = making(() => Promise.reject(new Error("away")))
      yield* once()
      yield* once()
      assert.deepStrictEqual(asked, ["join a", "join a"])
    }))
})
