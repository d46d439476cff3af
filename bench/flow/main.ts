/** The patterns of one process beside their peers. Each pattern brings a list of matches. */
import { play } from "../harness/loads.ts"
import * as partitioner from "./partitioner.ts"
import * as workerPool from "./worker-pool.ts"

export const flow = play("flow", [...partitioner.matches, ...workerPool.matches])
