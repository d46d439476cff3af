import type { Command, Redis } from "ioredis"

/** A command that was handed to a connection, and the one after it. */
interface Sent {
  readonly command: Command
  /** Monotonic milliseconds. */
  readonly at: number
  next: Sent | undefined
}

/**
 * Fails commands that are not answered within `timeout` (ms), and replaces a connection on which nothing comes back for half of
 * it, an eighth of it late at most. ioredis can do both, with two timers a command that are started and stopped with it: more work than
 * the command itself. Here it is one for all, which runs while something is on its way.
 */
export const watchReplies = (client: Redis, timeout: number): void => {
  const send = client.sendCommand.bind(client)
  let first: Sent | undefined
  let last: Sent | undefined
  let timer: NodeJS.Timeout | undefined
  let bytes = 0
  let heardAt = -Infinity

  const look = (): void => {
    timer = undefined
    const now = performance.now()
    settle()
    if (first !== undefined && client.commandQueue.length > 0) {
      const { bytesRead } = client.stream
      if (bytesRead !== bytes) heardAt = now
      bytes = bytesRead
      if (Math.max(first.at, heardAt) + timeout / 2 <= now) client.stream.destroy(new Error("socket timeout"))
    }
    for (let sent = first; sent !== undefined && sent.at + timeout <= now; sent = sent.next) {
      sent.command.reject(new Error("command timed out"))
    }
    settle()
    if (first !== undefined) arm()
  }
  const arm = (): void => {
    timer ??= setTimeout(look, timeout / 8).unref()
  }
  const settle = (): void => {
    while (first?.command.isSettled === true) first = first.next
    if (first === undefined) last = undefined
  }

  client.sendCommand = (command, stream) => {
    settle()
    const sent: Sent = { command, at: performance.now(), next: undefined }
    if (last === undefined) first = sent
    else last.next = sent
    last = sent
    arm()
    return send(command, stream)
  }
}
