/** Sections of Heddle's lock that go on and on, each with its fibers. */
import * as Effect from "effect/Effect"
import { DistributedLock } from "heddle/coordination"
import { type Hold, ttl } from "../../harness/Holding.ts"
import { opened } from "./leases.ts"

export const hold: Hold = async (url, count) => {
  const context = await opened(url)
  for (let at = 0; at < count; at += 64) {
    await Promise.all(Array.from({ length: Math.min(64, count - at) }, (_, index) =>
      new Promise<void>((inside) => {
        const section = Effect.andThen(Effect.sync(inside), Effect.never)
        Effect.runForkWith(context)(DistributedLock.withLock(`held/${count}/${at + index}`, { ttl })(section))
      })))
  }
}
