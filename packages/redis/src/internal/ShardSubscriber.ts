import type { Cluster, Redis } from "ioredis"
import { newClient } from "./connect.ts"
import type { Settings } from "./settings.ts"
import { slotOf } from "./slots.ts"
import { type Hearer, Hearers, type Subscriber } from "./Subscriber.ts"

/** A connection to a node of the cluster. */
interface Node {
  readonly address: string
  readonly client: Redis
}

/** A channel that somebody hears. */
interface Heard {
  readonly slot: number
  /** Where it is subscribed to. */
  at: Node | undefined
  /** Whether somebody was told already that he hears it, or that he does not. */
  told: boolean
  joined: PromiseWithResolvers<void>
}

/**
 * Hears what a cluster publishes in its slots, each channel from the master that serves its slot now. It asks the cluster
 * anew who that is when a connection is lost or a node sends it away.
 */
export class ShardSubscriber implements Subscriber {
  readonly sharded = true
  private readonly cluster: Cluster
  private readonly settings: Settings
  private readonly now: () => number
  private readonly hearers = new Hearers()
  private readonly heard = new Map<string, Heard>()
  private readonly nodes = new Map<string, Node>()
  private asked = -Infinity
  private timer: NodeJS.Timeout | undefined
  constructor(cluster: Cluster, settings: Settings, now: () => number) {
    this.cluster = cluster
    this.settings = settings
    this.now = now
    cluster.on("refresh", this.settle)
  }

  join(channel: string, hearer: Hearer): Promise<void> {
    this.hearers.add(channel, hearer)
    const known = this.heard.get(channel)
    if (known !== undefined) return known.joined.promise
    const heard: Heard = { slot: slotOf(channel), at: undefined, told: false, joined: joining() }
    this.heard.set(channel, heard)
    this.seek(channel, heard)
    return heard.joined.promise
  }

  leave(channel: string, hearer: Hearer): void {
    if (!this.hearers.remove(channel, hearer)) return
    this.heard.get(channel)?.at?.client.sunsubscribe(channel).catch(ignore)
    this.heard.delete(channel)
  }

  joinPattern(): Promise<void> {
    return Promise.reject(new Error("a cluster hears no patterns"))
  }

  leavePattern(): void {}

  ping(): void {
    this.settle()
    for (const { client } of this.nodes.values()) client.ping().catch(ignore)
  }

  close(): void {
    clearTimeout(this.timer)
    this.cluster.off("refresh", this.settle)
    for (const { client } of this.nodes.values()) client.disconnect()
  }

  /** Hears each channel where it is published now, and hangs up on nodes that serve nothing any more. */
  private readonly settle = (): void => {
    for (const [channel, heard] of this.heard) this.seek(channel, heard)
    const masters = new Set(this.cluster.slots.map(([master]) => master))
    for (const { address, client } of this.nodes.values()) {
      if (masters.has(address)) continue
      this.nodes.delete(address)
      client.disconnect()
    }
  }

  private seek(channel: string, heard: Heard): void {
    const address = this.masterOf(heard)
    if (address === undefined) return
    const node = this.nodes.get(address) ?? this.connect(address)
    if (heard.at === node || node.client.status !== "ready") return
    heard.at?.client.sunsubscribe(channel).catch(ignore)
    heard.at = node
    if (heard.told) this.hearers.lost(channel)
    node.client.ssubscribe(channel).then(() => {
      if (heard.at !== node) return
      heard.joined.resolve()
      if (heard.told) this.hearers.again(channel)
      heard.told = true
    }, (error: unknown) => this.lost(node, [heard], error))
  }

  private masterOf({ slot }: Heard): string | undefined {
    return this.cluster.slots[slot]?.[0]
  }

  private connect(address: string): Node {
    const [, host = "", port] = /^(.*):(\d+)$/.exec(address) ?? []
    const client = newClient({ ...this.settings, host, port: Number(port) })
    const node = { address, client }
    this.nodes.set(address, node)
    let reason: unknown = new Error("the connection was closed")
    client.on("error", (error) => {
      reason = error
    })
    client.on("smessage", this.hearers.tell)
    client.on("ready", this.settle)
    client.on("close", () => this.lost(node, this.heard.values(), reason))
    // A slot has moved, and the server has ended what was subscribed to there.
    client.on("moved", () => this.lost(node, this.heard.values()))
    client.connect().catch(ignore)
    return node
  }

  /** These are not heard at that node, if they were or should be. */
  private lost(node: Node, all: Iterable<Heard>, error?: unknown): void {
    for (const heard of all) {
      if (heard.at !== node && (heard.at !== undefined || this.masterOf(heard) !== node.address)) continue
      heard.at = undefined
      if (error === undefined) continue
      heard.told = true
      heard.joined.reject(error)
      heard.joined = joining()
    }
    if (this.timer === undefined) this.timer = setTimeout(this.ask, Math.max(0, this.asked + pause - this.now()))
  }

  private readonly ask = (): void => {
    this.timer = undefined
    this.asked = this.now()
    this.cluster.refreshSlotsCache()
  }
}

/** Milliseconds between two questions to the cluster who serves what. */
const pause = 100
const ignore = () => {}

const joining = (): PromiseWithResolvers<void> => {
  const joined = Promise.withResolvers<void>()
  // Perhaps nobody waits for this one.
  joined.promise.catch(ignore)
  return joined
}
