import type { Socket } from "node:net"

// How much may wait, for a latency or for a slow receiver, before the sender is held back.
const highWater = 1024 * 1024

/**
 * Carries bytes, the end of the stream and a reset from one socket to another, bytes and end `delay` milliseconds after they
 * came.
 *
 * `loses` is asked once for each chunk at the moment of its delivery, and with `undefined` for the end and for a reset.
 */
export const pump = (
  from: Socket,
  to: Socket,
  delay: () => number,
  loses: (chunk: Buffer | undefined) => boolean
): void => {
  const line: Array<{ readonly due: number; readonly chunk: Buffer | undefined }> = []
  let queued = 0
  let waiting = false

  const flow = (): void => {
    for (let next = line[0]; next !== undefined && !waiting; next = line[0]) {
      const early = next.due - performance.now()
      if (early > 0) {
        waiting = true
        setTimeout(wake, early)
        break
      }
      line.shift()
      queued -= next.chunk?.length ?? 0
      if (loses(next.chunk) || to.destroyed) continue
      if (next.chunk === undefined) to.end()
      else waiting = !to.write(next.chunk)
    }
    if (waiting && queued >= highWater) from.pause()
    else if (from.isPaused()) from.resume()
  }

  const wake = (): void => {
    waiting = false
    flow()
  }

  const push = (chunk: Buffer | undefined): void => {
    line.push({ due: performance.now() + delay(), chunk })
    queued += chunk?.length ?? 0
    flow()
  }

  to.on("drain", wake)
  to.once("close", wake)
  from.on("data", push)
  from.once("end", () => push(undefined))
  from.on("error", () => {
    if (!loses(undefined)) to.resetAndDestroy()
  })
}
