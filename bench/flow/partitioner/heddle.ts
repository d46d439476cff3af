/** Heddle's partitioner. */
import * as Effect from "effect/Effect"
import { Partitioner } from "heddle/flow"
import type { Open } from "../../harness/Load.ts"
import { effects } from "./effects.ts"
import { keys, type Task } from "./work.ts"

const room = { concurrency: keys, perKey: Infinity, capacity: Infinity }

export const open: Open = () =>
  Promise.resolve(effects(
    (handle) =>
      Effect.map(Partitioner.make({ key: (task: Task) => task.key, handle, ...room }), ({ enqueue }) => enqueue)
  ))
