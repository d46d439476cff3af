/** The patterns of one process beside their peers. Each pattern brings a list of matches. */
import { play } from "../harness/loads.ts"
import * as partitioner from "./partitioner.ts"
import * as workerPool from "./worker-pool.ts"

export const flow = play("flow", [...partitioner.matches, ...workerPool.matches])
const matches = [...partitioner.matches]

export const flow = play("flow", matches)
import { matches as fanOut } from "./fan-out.ts"

export const flow = play("flow", [...fanOut])
