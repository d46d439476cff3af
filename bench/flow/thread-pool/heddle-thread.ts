import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import * as Effect from "effect/Effect"
import { ThreadPool } from "heddle/flow"
import { fib } from "./fib.ts"
import { tasks } from "./tasks.ts"

const serve = ThreadPool.serve(tasks, { fib: (n) => Effect.sync(() => fib(n)) })

Effect.runFork(Effect.provide(serve, NodeWorkerRunner.layer))
