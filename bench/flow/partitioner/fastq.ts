/** A thousand fastq queues of one worker each, found by the hash of the key. */
import * as fastq from "fastq"
import type { Open } from "../../harness/Load.ts"
import { promises } from "./promises.ts"
import { keys } from "./work.ts"

const hash = (text: string): number => {
  let sum = 0x811c9dc5
  for (let at = 0; at < text.length; at++) sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193)
  return sum >>> 0
}

export const open: Open = () =>
  Promise.resolve(promises(() => {
    const worker = (run: () => Promise<void>) => run()
    const queues = Array.from({ length: keys }, () => fastq.promise(worker, 1))
    return ({ key }, run) => queues[hash(String(key)) % keys]?.push(run) ?? Promise.reject(new Error("no queue"))
  }))
