import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"

/** When to ask a store again that could not be reached: after 100 ms, and at most 5 s. */
export const backOff = Schedule.jittered(
  Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])
)

/** The stream, begun anew whenever it fails, provided that it has told something before. */
export const following = <A, E, R>(stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
  Stream.suspend(() => {
    let told = false
    const noting = Stream.map(stream, (element) => {
      told = true
      return element
    })
    return Stream.retry(noting, Schedule.while(backOff, () => told))
  })
