/** One async-mutex a key. */
import { Mutex } from "async-mutex"
import type { Open } from "../../harness/Load.ts"
import { promises } from "./promises.ts"

export const open: Open = () =>
  Promise.resolve(promises(() => {
    const mutexes = new Map<number, Mutex>()
    return ({ key }, run) => {
      let mutex = mutexes.get(key)
      if (mutex === undefined) mutexes.set(key, mutex = new Mutex())
      return mutex.runExclusive(run)
    }
  }))
