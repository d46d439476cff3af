import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Redis } from "ioredis"
import { newClient } from "./connect.ts"
import type { Script } from "./leaseScript.ts"
import type { Settings } from "./settings.ts"

/** How the nodes are reached. Times are milliseconds. */
export interface NodeSettings {
  readonly options: Settings
  /** For how long a node that has just started does not vote. */
  readonly restartDelay: number
  readonly now: () => number
}

/**
 * One of the independent servers. It votes once it is connected and has run for long enough that no lease can be held that
 * it forgot when it was restarted.
 */
export class RedlockNode {
  readonly commands: Redis
  readonly subscriber: Redis
  /** What is to be done when the node tells of a change, and when it may have told of one unheard. */
  onChange: (channel: string | undefined) => void = () => {}
  private readonly settings: NodeSettings
  private readonly channels = new Set<string>()
  private votesFrom = Infinity
  constructor(settings: NodeSettings) {
    this.settings = settings
    this.commands = newClient(settings.options)
    this.subscriber = newClient(settings.options)
    // An error event that nobody listens to ends the process; a node that fails has no vote, which is all there is to say.
    for (const client of [this.commands, this.subscriber]) client.on("error", () => {})
    this.commands.on("ready", this.enrol)
    this.commands.on("close", () => {
      this.votesFrom = Infinity
    })
    this.subscriber.on("message", (channel: string) => this.onChange(channel))
    this.subscriber.on("ready", () => {
      if (this.channels.size > 0) {
        this.subscriber.subscribe(...this.channels).then(() => this.onChange(undefined), ignore)
      }
    })
  }

  get votes(): boolean {
    return this.votesFrom <= this.settings.now()
  }

  /** Runs a step, sent once. It fails at once where the node cannot be reached. */
  run({ lua, sha }: Script, keys: readonly [string, string], args: ReadonlyArray<string | number>): Promise<unknown> {
    return this.commands.evalsha(sha, 2, ...keys, ...args).catch((error: unknown) => {
      if (error instanceof Error && error.message.startsWith("NOSCRIPT")) {
        return this.commands.eval(lua, 2, ...keys, ...args)
      }
      throw error
    })
  }

  follow(channel: string): void {
    this.channels.add(channel)
    if (this.subscriber.status === "ready") {
      this.subscriber.subscribe(channel).then(() => this.onChange(channel), ignore)
    }
  }

  unfollow(channel: string): void {
    this.channels.delete(channel)
    if (this.subscriber.status === "ready") this.subscriber.unsubscribe(channel).catch(ignore)
  }

  /** Resolves when the node has answered or has been tried. */
  connect(): Promise<unknown> {
    return Promise.allSettled([this.commands.connect().then(this.enrol), this.subscriber.connect()])
  }

  close(): void {
    this.commands.disconnect()
    this.subscriber.disconnect()
  }

  /** The server tells whole seconds: it may have started a second later than it says, never earlier. */
  private readonly enrol = async (): Promise<void> => {
    const { now, restartDelay } = this.settings
    if (restartDelay === 0) {
      this.votesFrom = -Infinity
      return
    }
    const asked = now()
    const info = await this.commands.info("server").catch(() => "")
    const uptime = /uptime_in_seconds:(\d+)/.exec(info)?.[1]
    if (uptime !== undefined) this.votesFrom = asked - Number(uptime) * 1000 + restartDelay
  }
}

const ignore = () => {}

/** The nodes, connected as far as they can be. Closes them with the scope. */
export const connect = (
  urls: ReadonlyArray<Settings>,
  settings: Omit<NodeSettings, "options">
): Effect.Effect<ReadonlyArray<RedlockNode>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => urls.map((options) => new RedlockNode({ ...settings, options }))),
    (nodes) =>
      Effect.sync(() => {
        for (const node of nodes) node.close()
      })
  ).pipe(Effect.tap((nodes) => Effect.promise(() => Promise.all(nodes.map((node) => node.connect())))))
