import type * as Layer from "effect/Layer"
import type { JobStore } from "heddle/messaging"

/** Where the queue can live. */
export interface Backend {
  readonly layer: (url: string) => Layer.Layer<JobStore.All, Error>
}

/** All backends. Only the one that is asked for is loaded. */
export const backends = {
  memory: () => import("./memory.ts"),
  nats: (): Promise<Backend> => import("./nats.ts"),
  redis: (): Promise<Backend> => import("./redis.ts"),
  postgres: (): Promise<Backend> => import("./postgres.ts")
}

/** Those that processes can share. */
export type Shared = Exclude<keyof typeof backends, "memory">
