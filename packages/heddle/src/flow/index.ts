/**
 * Patterns of one process: how many fibers share work, in which order, and with what room between them.
 *
 * @since 0.1.0
 */
export { InvalidOption } from "../internal/InvalidOption.ts"
export * as Batcher from "./Batcher.ts"
export * as FanOut from "./FanOut.ts"
export * as Hedge from "./Hedge.ts"
export * as KeyedMutex from "./KeyedMutex.ts"
export * as Multiplexer from "./Multiplexer.ts"
export * as Partitioner from "./Partitioner.ts"
export * as Pipeline from "./Pipeline.ts"
export * as PoolError from "./PoolError.ts"
export * as ThreadPool from "./ThreadPool.ts"
export * as WorkerPool from "./WorkerPool.ts"
