import type * as Layer from "effect/Layer"
import type { KvStore } from "heddle/coordination"

interface Backend {
  readonly layer: (url: string) => Layer.Layer<KvStore.KvStore, Error>
}

const backends: Readonly<Record<string, () => Promise<Backend>>> = {
  memory: () => import("./memory.ts"),
  redis: () => import("./redis.ts"),
  etcd: () => import("./etcd.ts"),
  postgres: () => import("./postgres.ts")
}

/** Where the keys live. Only the backend that is asked for is loaded. */
export const layerOf = async (backend: string, url: string): Promise<Layer.Layer<KvStore.KvStore, Error>> => {
  const load = backends[backend]
  if (load === undefined) throw new Error(`${Object.keys(backends).join(" or ")}, not ${backend}`)
  return (await load()).layer(url)
}
