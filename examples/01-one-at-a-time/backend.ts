/** Where the lock can live. Only the one that is asked for is loaded. */
export const backends = {
  memory: () => import("./memory.ts"),
  redis: () => import("./redis.ts"),
  etcd: () => import("./etcd.ts")
}
