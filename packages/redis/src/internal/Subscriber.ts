/** Who hears what is published on a channel. */
export interface Hearer {
  onMessage(message: string): void
  /** Told when it hears again, and may have missed something. */
  onAgain(): void
  /** Told when it hears no longer. The first message behind that may come before `onAgain`. */
  onLost?(): void
}

/** Hears publications for the stores of a connection. It comes back by itself, with all that it heard before. */
export interface Subscriber {
  /** Whether it hears what is published in one slot (`SPUBLISH`), and not what is published to all. */
  readonly sharded: boolean
  /**
   * Lets somebody hear a channel. Rejects where that does not work now; it is tried again all the same, until he leaves.
   * `watched`: the server can tell that somebody hears this channel, and need not publish when nobody does.
   */
  join(channel: string, hearer: Hearer, watched: boolean): Promise<void>
  leave(channel: string, hearer: Hearer): void
  /** The same for all channels that match a glob, as Redis reads it. Not where it is sharded: it rejects then. */
  joinPattern(pattern: string, hearer: Hearer): Promise<void>
  leavePattern(pattern: string, hearer: Hearer): void
  /** Asks all connections for an answer: one that has fallen silent is noticed by that, and replaced. */
  ping(): void
}

/** Who hears which channels. */
export class Hearers {
  private readonly all = new Map<string, Set<Hearer>>()

  get channels(): Array<string> {
    return [...this.all.keys()]
  }

  has(channel: string): boolean {
    return this.all.has(channel)
  }

  add(channel: string, hearer: Hearer): void {
    const known = this.all.get(channel)
    if (known === undefined) this.all.set(channel, new Set([hearer]))
    else known.add(hearer)
  }

  /** Answers whether nobody is left. */
  remove(channel: string, hearer: Hearer): boolean {
    const known = this.all.get(channel)
    known?.delete(hearer)
    return known?.size === 0 && this.all.delete(channel)
  }

  readonly tell = (channel: string, message: string): void =>
    this.all.get(channel)?.forEach((hearer) => hearer.onMessage(message))

  readonly lost = (channel: string): void => this.all.get(channel)?.forEach((hearer) => hearer.onLost?.())

  readonly again = (channel: string): void => this.all.get(channel)?.forEach((hearer) => hearer.onAgain())
}
