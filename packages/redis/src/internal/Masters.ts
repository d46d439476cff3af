import type { Cluster } from "ioredis"

/** Where a step was sent to. */
export interface Sent {
  readonly slot: number
  /** The master that served the slot, as far as was known. */
  readonly to: string | undefined
  /** The monotonic instant (ms) just before. */
  readonly at: number
}

/** Milliseconds. No cluster replaces a master that has been silent for less (`cluster-node-timeout`; 15 seconds where nobody set it). */
export const shortestFailover = 1000

/** How many are asked at most, of whom the first to answer counts. */
const witnesses = 3

/** Who serves which slot, in somebody's eyes. */
type View = (slot: number) => string | undefined

/**
 * Whether what a node of a cluster has answered counts.
 *
 * A master that stood still or was cut off may have lost its place to a replica and not know it yet: it answers once more what
 * nobody else will stand by. So an answer counts when the node was heard so shortly before that nobody can have taken its
 * place since; else when another node says that the slot is still its own.
 */
export class Masters {
  private readonly cluster: Cluster
  private readonly now: () => number
  /** When those were sent something that they answered, and whose answer counted. */
  private readonly heard = new Map<string, number>()
  private readonly asking = new Map<string, Promise<View>>()
  constructor(cluster: Cluster, now: () => number) {
    this.cluster = cluster
    this.now = now
  }

  masterOf(slot: number): string | undefined {
    return this.cluster.slots[slot]?.[0]
  }

  /** Asks for nothing where it can be told at once. */
  counts({ at, slot, to }: Sent): boolean | Promise<boolean> {
    // It was sent on, and who has answered is not known: asked again, it is.
    if (to === undefined || this.masterOf(slot) !== to) return false
    const heard = this.heard.get(to) ?? -Infinity
    const counted = () => {
      this.heard.set(to, Math.max(this.heard.get(to) ?? -Infinity, at))
      return true
    }
    if (this.now() - heard < shortestFailover) return counted()
    return this.ask(to).then((serves) => {
      if (serves(slot) === to) return counted()
      this.cluster.refreshSlotsCache()
      return false
    }, () => false)
  }

  /** Who serves what, in the eyes of others than that node. */
  private ask(node: string): Promise<View> {
    const known = this.asking.get(node)
    if (known !== undefined) return known
    const others = [...new Set([...this.cluster.nodes("master"), ...this.cluster.nodes("all")])].filter((other) =>
      (other.status === "ready" || other.status === "wait") && addressOf(other.options) !== node
    )
    if (others.length === 0) return Promise.resolve(() => node)
    const answers = others.slice(0, witnesses).map(async (other): Promise<View> => {
      const ranges = await other.cluster("SLOTS")
      return (slot) => {
        const range = ranges.find(([from, to]) => Number(from) <= slot && slot <= Number(to))
        const [host, port] = range?.[2] ?? []
        return port === undefined ? undefined : addressOf({ host: host || other.options.host, port: Number(port) })
      }
    })
    const asked = Promise.any(answers)
    this.asking.set(node, asked)
    const over = () => void this.asking.delete(node)
    asked.then(over, over)
    return asked
  }
}

const addressOf = ({ host, port }: { readonly host?: string | undefined; readonly port?: number | undefined }) =>
  `${host}:${port}`
