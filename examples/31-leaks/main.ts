// A chat server that forgets the heartbeat of each guest who leaves: it is found while it runs. `kill -USR2` shows every fiber.
//   node --conditions=@heddle/source examples/31-leaks/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { FiberLeaks } from "heddle/observability"
import { fileURLToPath } from "node:url"

const heartbeat = Effect.fn("heartbeat")(function*() {
  return yield* Effect.forever(Effect.sleep("1 second"))
})

/** A guest stays for a second. The bug: the heartbeat is detached, so nobody stops it when they go. */
const forgetful = Effect.fn("guest")(function*() {
  yield* Effect.forkDetach(heartbeat())
  yield* Effect.sleep("1 second")
})

/** The same without the bug: the heartbeat is the guest's child, and ends with them. */
const tidy = Effect.fn("guest")(function*() {
  yield* Effect.forkChild(heartbeat())
  yield* Effect.sleep("1 second")
})

/** Two guests a second, for as long as it is told; answers what was told of leaks. */
export const evening = (guest: "forgetful" | "tidy", seconds: number) =>
  Effect.gen(function*() {
    const told: Array<FiberLeaks.Alarm> = []
    const { alarms } = yield* FiberLeaks.FiberLeaks
    yield* Effect.forkScoped(Stream.runForEach(alarms, (alarm) => Effect.sync(() => void told.push(alarm))), {
      startImmediately: true
    })
    const comes = Effect.forkDetach(guest === "tidy" ? tidy() : forgetful())
    yield* Effect.repeat(Effect.andThen(comes, Effect.sleep("500 millis")), { times: seconds * 2 })
    return { told, text: yield* FiberLeaks.dump }
  }).pipe(Effect.scoped)

export const watched = Effect.provide(FiberLeaks.layer({ interval: "2 seconds" }))

/** Prints every fiber when the process gets the signal, until the scope closes. */
export const dumpOn = (signal: NodeJS.Signals, print: (text: string) => void) =>
  Effect.contextWith((context: Context.Context<FiberLeaks.FiberLeaks>) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const show = () => print(Effect.runSyncWith(context)(FiberLeaks.dump))
        process.on(signal, show)
        return show
      }),
      (show) => Effect.sync(() => process.off(signal, show))
    )
  )

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const main = Effect.gen(function*() {
    yield* dumpOn("SIGUSR2", (text) => process.stdout.write(`${text}\n`))
    yield* Console.log(`guests come for half a minute; kill -USR2 ${process.pid} shows every fiber`)
    const { text, told } = yield* evening("forgetful", 30)
    yield* Console.log(`${told.length} alarms: ${told.map(({ counts }) => counts.join(", ")).join("; ")}`)
    yield* Console.log(text.split("\n").slice(0, 12).join("\n"))
  })
  NodeRuntime.runMain(watched(Effect.scoped(main)))
}
