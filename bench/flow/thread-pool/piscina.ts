/** piscina. */
import { Piscina } from "piscina"
import type { Open } from "../../harness/Load.ts"
import { promises, size } from "./callers.ts"

const filename = new URL("piscina-thread.ts", import.meta.url).href

export const piscina = (n: number): Open => () => {
  const pool = new Piscina({ filename, minThreads: size, maxThreads: size })
  return Promise.resolve(promises(() => pool.run(n)))
}
