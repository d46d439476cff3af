// One server of a chat, in a terminal: what you type is said, and what is said is shown.
//   node --conditions=@heddle/source examples/41-chat-servers/main.ts [memory|redis|nats|postgres] [name]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Broker, LogStore } from "heddle/messaging"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { enter } from "./chat.ts"

type Services = Broker.Broker | LogStore.LogStore

/** Where what is said can be kept. Only the one that is asked for is loaded. */
const backends: Readonly<Record<string, () => Promise<{ readonly layer: Layer.Layer<Services, Error> }>>> = {
  memory: () => import("./memory.ts"),
  redis: () => import("./redis.ts"),
  nats: () => import("./nats.ts"),
  postgres: () => import("./postgres.ts")
}

/** Chats until the input ends. A line is accepted when the log has it. */
const chat = (name: string) =>
  Effect.gen(function*() {
    const { lines, present, say } = yield* enter("lobby", name)
    yield* Effect.forkScoped(Stream.runForEach(lines, ({ from, text }) => Console.log(`${from}: ${text}`)))
    yield* Console.log(`you are ${name}; /who tells who is here`)
    const typed = Stream.fromAsyncIterable(createInterface({ input: process.stdin }), (error) => error)
    yield* Stream.runForEach(typed, (text) =>
      text === "/who"
        ? Effect.flatMap(present, (names) => Console.log(`here: ${names.join(", ")}`))
        : Effect.matchEffect(say(text), {
          onSuccess: () => Console.log(`(accepted) ${text}`),
          onFailure: ({ message }) => Console.log(`(not sent: ${message})`)
        }))
  }).pipe(Effect.scoped)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , backend = "memory", name = "somebody"] = process.argv
  const load = backends[backend] ?? (() => Promise.reject(new Error(`memory, redis, nats or postgres, not ${backend}`)))
  NodeRuntime.runMain(Effect.flatMap(Effect.promise(load), ({ layer }) => Effect.provide(chat(name), layer)))
}
