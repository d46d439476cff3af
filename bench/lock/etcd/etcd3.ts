/** etcd3's Lock, which refuses where the key is taken: asked again each 10 ms. */
import { Etcd3, EtcdLockFailedError, type Lock } from "etcd3"
import { setTimeout } from "node:timers/promises"
import { fromPromises, type Open } from "../../harness/Contender.ts"

export const open: Open = (url) => {
  const client = new Etcd3({ hosts: url })
  const take = async (key: string): Promise<Lock> => {
    for (;;) {
      try {
        return await client.lock(key).ttl(10).acquire()
      } catch (error) {
        if (!(error instanceof EtcdLockFailedError)) throw error
        await setTimeout(10)
      }
    }
  }
  return Promise.resolve(fromPromises(take, (_, lock) => lock.release()))
}
