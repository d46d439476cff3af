import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"
import { enter } from "./chat.ts"
import * as Memory from "./memory.ts"

const eventually = (what: string, check: () => boolean) =>
  Effect.sync(check).pipe(
    Effect.repeat({ until: (yes) => yes, schedule: Schedule.spaced("5 millis") }),
    Effect.timeoutOrElse({ duration: "100 seconds", orElse: () => Effect.die(new Error(`never: ${what}`)) })
  )

describe("a room in one process", () => {
  it.live("AC-E2: each line is seen by all, once, in the order of its speaker; who comes later is told what was said", () =>
    Effect.gen(function*() {
      const [ada, bob] = yield* Effect.all([enter("r", "ada"), enter("r", "bob")], { concurrency: 2 })
      for (const text of ["a", "b"]) yield* Effect.all([ada.say(text), bob.say(text)])
      const scope = yield* Scope.make()
      const eve = yield* Scope.provide(enter("r", "eve"), scope)
      yield* ada.say("c")
      const all: Array<string> = []
      for (const { lines } of [ada, bob, eve]) {
        const seen = Array.from(yield* Stream.runCollect(Stream.take(lines, 5)))
        all.push(seen.map(({ from, text }) => `${from}: ${text}`).join())
        const of = (name: string) => seen.filter(({ from }) => from === name).map(({ text }) => text)
        assert.deepStrictEqual([of("ada"), of("bob")], [["a", "b", "c"], ["a", "b"]])
      }
      assert.strictEqual(new Set(all).size, 1, "one order for all")
      yield* Effect.repeat(bob.present, {
        until: (names) => names.join() === "ada,bob,eve",
        schedule: Schedule.spaced(5)
      })
      yield* Scope.close(scope, Exit.void)
      yield* Effect.repeat(bob.present, { until: (names) => names.join() === "ada,bob", schedule: Schedule.spaced(5) })
    }).pipe(Effect.scoped, Effect.provide(Memory.layer), Effect.timeout("100 seconds")))
})

/** A server in a process of its own, and what it has written. */
const server = (name: string, backend: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const main = fileURLToPath(new URL("main.ts", import.meta.url))
      const child = spawn(process.execPath, ["--conditions=@heddle/source", main, backend, name], {
        env: {
          ...process.env,
          HEDDLE_REDIS_URL: inject("redisUrl"),
          HEDDLE_NATS_URL: inject("natsUrl"),
          HEDDLE_POSTGRES_URL: inject("postgresUrl")
        },
        stdio: ["pipe", "pipe", "inherit"]
      })
      // What is written to one that was killed.
      child.stdin.on("error", () => {})
      let output = ""
      child.stdout.on("data", (data) => output += String(data))
      const lines = () => output.split("\n").slice(0, -1)
      return {
        child,
        lines,
        ready: eventually(`${name} is there`, () => lines().some((line) => line.startsWith("you are"))),
        say: (text: string) => Effect.sync(() => void child.stdin.write(`${text}\n`)),
        accepted: () => lines().filter((line) => line.startsWith("(accepted)")).map((line) => line.slice(11))
      }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

describe("AC-E2: a server is killed and started again, and all who stayed see all that was accepted, in order", () => {
  for (const backend of ["nats", "postgres", "redis"]) {
    it.live(`on ${backend}`, () =>
      Effect.gen(function*() {
        const [ada, bob, eve] = yield* Effect.all(["ada", "bob", "eve"].map((name) => server(name, backend)))
        if (ada === undefined || bob === undefined || eve === undefined) return assert.fail()
        yield* Effect.all([ada.ready, bob.ready, eve.ready])
        for (let n = 0; n < 50; n++) yield* Effect.all([ada, bob, eve].map((one) => one.say(`${n}`)))
        yield* eventually("bob speaks", () => bob.accepted().length > 5)
        bob.child.kill("SIGKILL")
        for (let n = 50; n < 60; n++) yield* Effect.all([ada, eve].map((one) => one.say(`${n}`)))
        const again = yield* server("bob", backend)
        yield* again.ready
        yield* Effect.all([again, ada].map((one) => one.say("end")))
        const saw = (one: typeof ada, name: string) =>
          one.lines().filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2))
        const all = [ada, eve]
        yield* eventually("all is accepted", () => ada.accepted().length === 61 && eve.accepted().length === 60)
        yield* eventually("the end is seen", () =>
          [...all, again].every((one) =>
            ["ada", "bob"].every((name) =>
              saw(one, name).includes("end")
            ) && saw(one, "eve").includes("59")
          ))
        for (const one of all) {
          assert.deepStrictEqual(saw(one, "ada"), ada.accepted())
          assert.deepStrictEqual(saw(one, "eve"), eve.accepted())
          const bobs = saw(one, "bob").slice(0, -1)
          // The line that it was about to say when it was killed may have been told.
          assert.include([bob.accepted().length, bob.accepted().length + 1], bobs.length)
          assert.deepStrictEqual(bobs.slice(0, bob.accepted().length), bob.accepted())
        }
        const talk = (one: typeof ada) => one.lines().filter((line) => /^(ada|bob|eve): /.test(line))
        const [said, last] = [talk(ada), talk(again)]
        assert.deepStrictEqual(talk(eve), said, "one order for all who stayed")
        // Who comes back has seen what was said meanwhile, and all of it once.
        assert.deepStrictEqual(said.slice(-last.length), last)
        assert.include(saw(again, "ada"), "59")
      }).pipe(Effect.scoped))
  }
})
