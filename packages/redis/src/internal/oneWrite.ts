import { type Cluster, Redis } from "ioredis"

/** Lets all that is sent in this tick leave in one write, which costs more than the commands in it. On a cluster it does nothing. */
export const oneWrite = (client: Redis | Cluster): void => {
  if (!(client instanceof Redis) || client.status !== "ready" || client.stream.writableCorked > 0) return
  const { stream } = client
  stream.cork()
  queueMicrotask(() => stream.uncork())
}
