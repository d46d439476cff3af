import type * as Layer from "effect/Layer"
import type { JobStore } from "heddle/messaging"

/** Where the queues can live. Nothing is asked of it but jobs: no ids, no results. */
export interface Backend {
  readonly layer: (url: string) => Layer.Layer<JobStore.JobStore, Error>
}

/** All backends. Only the one that is asked for is loaded. */
export const backends = {
  memory: () => import("./memory.ts"),
  rabbitmq: (): Promise<Backend> => import("./rabbitmq.ts"),
  redis: (): Promise<Backend> => import("./redis.ts")
}

/** Those that processes can share. */
export type Shared = Exclude<keyof typeof backends, "memory">
