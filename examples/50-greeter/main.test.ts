import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** The program as a process, and what it has said. */
interface Process {
  readonly lines: ReadonlyArray<string>
  readonly said: (start: string) => Effect.Effect<string>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<unknown>
  readonly ended: Effect.Effect<unknown>
}

const start = (...args: ReadonlyArray<string>): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.gen(function*() {
    const main = fileURLToPath(new URL("main.ts", import.meta.url))
    const child = spawn(process.execPath, ["--conditions=@heddle/source", main, ...args], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    const closed = once(child, "close")
    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => {
        child.kill("SIGKILL")
        await closed
      })
    )
    const lines: Array<string> = []
    const waiting = new Set<() => void>()
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line)
      waiting.forEach((look) => look())
    })
    return {
      lines,
      said: (start) =>
        Effect.callback<string>((resume) => {
          const look = () => {
            const line = lines.find((line) => line.startsWith(start))
            if (line !== undefined) resume(Effect.succeed(line))
          }
          waiting.add(look)
          look()
          return Effect.sync(() => waiting.delete(look))
        }),
      signal: (signal) => Effect.sync(() => child.kill(signal)),
      ended: Effect.promise(async () => (await closed)[0])
    }
  })

const greetings = [
  "Hello, seed",
  ...[1, 2, 3, 4, 5].map((n) => `Hello, Grace, for the ${n}. time`),
  "Hello, Ada and Alan",
  "Hello, Ada",
  "Hello, Alan"
]

const urlOf = ({ said }: Process) => Effect.map(said("listens "), (line) => line.slice("listens ".length))

describe("the Greeter", () => {
  it.live("AC-31.1 greets in all four ways, with either side in grpc-js alone, and says why it refuses", () =>
    Effect.forEach(
      [[[], []], [[], ["--plain"]], [["--plain"], []]] as const,
      ([ours, theirs]) =>
        Effect.gen(function*() {
          const server = yield* start("server", "0", ...ours)
          const client = yield* start("client", yield* urlOf(server), ...theirs)
          assert.strictEqual(yield* client.ended, 0)
          const refused = theirs.length > 0 ? "3: a guest without a name" : "INVALID_ARGUMENT: a guest without a name"
          assert.deepEqual(client.lines, [...greetings, refused])
        }),
      { concurrency: "unbounded" }
    ))

  it.live("AC-31.1 drains when it is stopped: who is being greeted is greeted to the end", () =>
    Effect.gen(function*() {
      const server = yield* start("server", "0")
      const client = yield* start("client", yield* urlOf(server))
      yield* client.said("Hello, Grace, for the 1. time")
      yield* server.signal("SIGINT")
      yield* client.said("Hello, Grace, for the 5. time")
      assert.strictEqual(yield* server.ended, 130)
      assert.include(server.lines.join("\n"), "shutdown by SIGINT, clean")
      assert.match(server.lines.join("\n"), /stop grpc: finished/)
    }))
})
