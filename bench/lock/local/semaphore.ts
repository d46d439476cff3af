/** One of Effect's semaphores a key. */
import * as Context from "effect/Context"
import * as Semaphore from "effect/Semaphore"
import { fromEffects, type Open } from "../../harness/Contender.ts"

export const open: Open = () => {
  const semaphores = new Map<string, Semaphore.Semaphore>()
  const semaphoreOf = (key: string) => {
    let found = semaphores.get(key)
    if (found === undefined) semaphores.set(key, found = Semaphore.makeUnsafe(1))
    return found
  }
  return Promise.resolve(fromEffects((key) => (section) => semaphoreOf(key).withPermit(section), Context.empty()))
}
