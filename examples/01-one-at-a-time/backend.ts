import type * as Layer from "effect/Layer"
import type { LeaseStore } from "heddle/coordination"

/** Where the lock can live. */
export interface Backend {
  readonly layer: (url: string) => Layer.Layer<LeaseStore.LeaseStore, Error>
}

/** All backends. Only the one that is asked for is loaded. */
export const backends = {
  memory: () => import("./memory.ts"),
  redis: (): Promise<Backend> => import("./redis.ts"),
  etcd: (): Promise<Backend> => import("./etcd.ts")
}
