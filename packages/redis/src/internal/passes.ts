const passing = /^(LOADING|BUSY|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN) /
const passingInScript =
  /^ERR Script attempted to (access a non local key|execute a (write )?command while the cluster is)/

/**
 * Whether a server that answers so may answer otherwise soon: it starts, another takes its place, or the keys of a resource
 * are on their way to another node.
 */
export const passes = (message: string): boolean => passing.test(message) || passingInScript.test(message)

/** Whether nothing was done because some of the keys of a call have moved to another node already. Each alone is where it is. */
export const isTorn = (error: unknown): boolean => error instanceof Error && error.message.includes("TRYAGAIN ")

/** Whether the server has answered at all. */
export const isReply = (error: unknown): error is Error => error instanceof Error && error.name === "ReplyError"

/** Whether it was never sent: there was no connection, and ioredis keeps nothing for later. */
export const isUnsent = (error: unknown): boolean =>
  error instanceof Error && error.message.endsWith("enableOfflineQueue options is false")
