import type { Channel } from "amqplib"
import { Socket } from "node:net"

/**
 * Lets all that is sent on a connection in this tick leave in one write, which costs more than the messages in it. The client writes each by
 * itself, in an immediate that it has asked for in the tick before this one's.
 */
export const oneWrite = ({ connection }: Channel): void => {
  if (!("stream" in connection)) return
  const { stream } = connection
  if (!(stream instanceof Socket) || stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => setImmediate(() => stream.uncork()))
}
