// A request with 800 ms in all asks three services; asked at once they answer in time, one after the other they do not.
//   node --conditions=@heddle/source examples/22-deadline/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Deadline } from "heddle/resilience"
import { fileURLToPath } from "node:url"

/** Goes down to every hop by itself, as the deadline does. */
const RequestId = Context.Reference("RequestId", { defaultValue: () => "none" })

/** A service in another process: it knows of the caller what came in the headers, and serves within that time. */
const service = (name: string, millis: number) => (headers: Deadline.Headers) =>
  Effect.as(Effect.sleep(millis), name).pipe(Deadline.within("2 seconds", "database"), Deadline.serve(headers, name))

const services = [["profile", 150], ["orders", 450], ["offers", 250]] as const

/** What a request gets, in `budget` milliseconds, when it asks so many services at a time. */
export const request = (budget: number, concurrency: number) =>
  Effect.forEach(services, ([name, millis]) => Effect.flatMap(Deadline.headers, service(name, millis)), {
    concurrency
  }).pipe(
    Deadline.within(budget, "gateway"),
    Effect.map((answers) => answers.join(", ")),
    Effect.catchTag(
      "DeadlineExceeded",
      ({ budget, hops }) =>
        Effect.map(RequestId, (id) => `${id}: over after ${Math.round(budget)} ms at ${hops.join(" > ")}`)
    ),
    Effect.provideService(RequestId, "request 1")
  )

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    yield* Console.log(`at once, 800 ms:       ${yield* request(800, 3)}`)
    yield* Console.log(`one by one, 800 ms:    ${yield* request(800, 1)}`)
    yield* Console.log(`at once, 300 ms:       ${yield* request(300, 3)}`)
  }))
}
