const passing = /^(LOADING|BUSY|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN) /

/** Whether a server that answers so has done nothing, and may answer otherwise soon: it starts, or another takes its place. */
export const passes = (message: string): boolean => passing.test(message)

/** Whether the server has answered at all. */
export const isReply = (error: unknown): error is Error => error instanceof Error && error.name === "ReplyError"

/** Whether it was never sent: there was no connection, and ioredis keeps nothing for later. */
export const isUnsent = (error: unknown): boolean =>
  error instanceof Error && error.message.endsWith("enableOfflineQueue options is false")
