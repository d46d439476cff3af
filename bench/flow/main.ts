/** The patterns of one process beside their peers. Each pattern brings a list of matches. */
import { play } from "../harness/loads.ts"
import * as batcher from "./batcher.ts"
import * as fanOut from "./fan-out.ts"
import * as keyedMutex from "./keyed-mutex.ts"
import * as multiplexer from "./multiplexer.ts"
import * as partitioner from "./partitioner.ts"
import * as pipeline from "./pipeline.ts"
import * as threadPool from "./thread-pool.ts"
import * as workerPool from "./worker-pool.ts"

export const flow = play("flow", [
  ...batcher.matches,
  ...fanOut.matches,
  ...keyedMutex.matches,
  ...multiplexer.matches,
  ...partitioner.matches,
  ...pipeline.matches,
  ...threadPool.matches,
  ...workerPool.matches
])
